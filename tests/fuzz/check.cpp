// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/fuzz/check.h"

#include <cstdio>
#include <cstdlib>

#include "libtune/escape.h"
#include "libtune/utf8.h"

namespace tuneshift::fuzz {

void check(bool holds, std::string_view property, std::string_view seen) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s: '%s'\n", std::string(property).c_str(),
               escape(seen).c_str());
  std::abort();
}

bool is_readable(std::string_view text) {
  while (!text.empty()) {
    const Utf8Character character = decode_utf8(text);
    const char32_t c = character.code_point;
    if (character.length == 0 || c < 0x20 || (c >= 0x7f && c <= 0x9f)) return false;
    text.remove_prefix(character.length);
  }
  return true;
}

}  // namespace tuneshift::fuzz
