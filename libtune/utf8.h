// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <string_view>

namespace tuneshift {

/// The character at the start of a text.
struct Utf8Character {
  char32_t code_point = 0;
  size_t length = 0;  ///< bytes; 0 when the text does not start with well-formed UTF-8
};

/// Decodes the first character: no overlong forms, no surrogates, nothing above U+10FFFF.
Utf8Character decode_utf8(std::string_view text);

/// Whether a terminal that is shown the character shows nothing but it: false for control
/// characters, line separators and direction controls, which make it show another text.
bool is_printable(char32_t code_point);

}  // namespace tuneshift
