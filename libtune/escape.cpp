// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/escape.h"

#include "libtune/utf8.h"

namespace tuneshift {

namespace {

// sd-bus refuses a whole message for one noncharacter, although it is well-formed UTF-8.
bool is_noncharacter(char32_t c) {
  return (c >= 0xfdd0 && c <= 0xfdef) || (c & 0xfffe) == 0xfffe;
}

bool is_plain(char32_t c) {
  return is_printable(c) && c != U'\\' && !is_noncharacter(c);
}

// Cuts so that no character is torn: a torn one would look like invalid bytes.
std::string_view cut(std::string_view raw, size_t max_bytes) {
  for (size_t back = 1; back <= 3 && back <= max_bytes; ++back) {
    const size_t start = max_bytes - back;
    if (decode_utf8(raw.substr(start)).length > back) return raw.substr(0, start);
  }
  return raw.substr(0, max_bytes);
}

}  // namespace

void append_hex(std::string& out, std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  for (char byte : bytes) {
    const auto value = static_cast<unsigned char>(byte);
    out += "\\x";
    out += kDigits[value >> 4];
    out += kDigits[value & 0xf];
  }
}

std::string escape(std::string_view raw, size_t max_bytes) {
  const bool too_long = raw.size() > max_bytes;
  if (too_long) raw = cut(raw, max_bytes);
  std::string out;
  out.reserve(raw.size());
  while (!raw.empty()) {
    const Utf8Character character = decode_utf8(raw);
    const size_t length = character.length == 0 ? 1 : character.length;
    if (character.length != 0 && is_plain(character.code_point)) {
      out += raw.substr(0, length);
    } else {
      append_hex(out, raw.substr(0, length));
    }
    raw.remove_prefix(length);
  }
  if (too_long) out += "…";
  return out;
}

}  // namespace tuneshift
