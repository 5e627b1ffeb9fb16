// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string_view>

namespace tuneshift {

/// Whether a pattern covers the whole of a text, byte by byte: `*` stands for any bytes, `?` for
/// one, everything else for itself. Takes at most the product of both lengths, whatever they are.
bool matches_glob(std::string_view pattern, std::string_view text);

}  // namespace tuneshift
