// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/utf8.h"

#include "libtune/escape.h"
#include "libtune/utf8.h"

namespace tuneshift {

size_t utf8_length(std::string_view text) {
  return decode_utf8(text).length;
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
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Utf8Character found = decode_utf8(text);
    const std::string_view character = text.substr(0, found.length == 0 ? 1 : found.length);
    if (found.length != 0 && is_printable(found.code_point)) {
      out += character;
    } else {
      append_hex(out, character);
    }
    text.remove_prefix(character.size());
  }
  return out;
}

}  // namespace tuneshift
