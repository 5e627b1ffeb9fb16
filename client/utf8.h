// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <string_view>

namespace tuneshift {

/// Bytes of the character that `text` starts with; 0 when it starts with none (invalid, cut off,
/// overlong or a surrogate). `text` must not be empty.
size_t utf8_length(std::string_view text);

/// Characters in `text`; an invalid byte counts as one.
size_t utf8_count(std::string_view text);

/// Safe for a terminal: what is not is_printable(), and invalid bytes, become \xNN.
std::string printable(std::string_view text);

}  // namespace tuneshift
