// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace tuneshift {

/// A whole decimal number as a person writes it: digits with an optional minus. Nothing for
/// anything else: no plus, spaces, hexadecimal, leading zeros (octal to some), or overflow.
std::optional<int64_t> parse_integer(std::string_view text);

/// Digits with an optional fraction ("0.5"); no sign, exponent, "inf" or "nan".
std::optional<double> parse_fraction(std::string_view text);

/// Bytes: a natural number, alone or with KiB, MiB, GiB or TiB; the largest number there is where
/// it overflows.
std::optional<uint64_t> parse_size(std::string_view text);

}  // namespace tuneshift
