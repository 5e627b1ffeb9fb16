// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/utf8.h"

#include <cstdint>

namespace tuneshift {

namespace {

/// Length and code point by the first byte; length 0 for a byte that starts no character.
size_t start_character(unsigned char byte, uint32_t& code) {
  if (byte < 0x80) {
    code = byte;
    return 1;
  }
  if (byte >= 0xc2 && byte < 0xe0) {
    code = byte & 0x1fU;
    return 2;
  }
  if (byte >= 0xe0 && byte < 0xf0) {
    code = byte & 0x0fU;
    return 3;
  }
  if (byte >= 0xf0 && byte < 0xf5) {
    code = byte & 0x07U;
    return 4;
  }
  return 0;
}

/// As utf8_length(), with the character.
size_t decode(std::string_view text, uint32_t& code) {
  const size_t length = start_character(static_cast<unsigned char>(text.front()), code);
  if (length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte & 0xc0U) != 0x80) return 0;
    code = (code << 6U) | (byte & 0x3fU);
  }
  const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
  const bool surrogate = code >= 0xd800 && code < 0xe000;
  return overlong || surrogate || code > 0x10ffff ? 0 : length;
}

}  // namespace

size_t utf8_length(std::string_view text) {
  uint32_t code = 0;
  return decode(text, code);
}

size_t utf8_count(std::string_view text) {
  size_t count = 0;
  while (!text.empty()) {
    const size_t length = utf8_length(text);
    text.remove_prefix(length == 0 ? 1 : length);
    ++count;
  }
  return count;
}

std::string printable(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    uint32_t code = 0;
    const size_t length = decode(text, code);
    const bool control = code < 0x20 || (code >= 0x7f && code < 0xa0);
    const std::string_view character = text.substr(0, length == 0 ? 1 : length);
    if (length != 0 && !control) {
      out += character;
    } else {
      for (const char c : character) {
        const auto byte = static_cast<unsigned char>(c);
        out += "\\x";
        out += kHex[byte >> 4U];
        out += kHex[byte & 0xfU];
      }
    }
    text.remove_prefix(character.size());
  }
  return out;
}

}  // namespace tuneshift
