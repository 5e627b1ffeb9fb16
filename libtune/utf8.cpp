// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/utf8.h"

namespace tuneshift {

namespace {

struct Form {
  size_t length;
  char32_t smallest;  // anything below it is an overlong form
  unsigned char mask;
  unsigned char lead;
};

constexpr Form kForms[] = {
    {1, 0x0, 0x80, 0x00}, {2, 0x80, 0xe0, 0xc0}, {3, 0x800, 0xf0, 0xe0}, {4, 0x10000, 0xf8, 0xf0}};

}  // namespace

Utf8Character decode_utf8(std::string_view text) {
  if (text.empty()) return {};
  const auto first = static_cast<unsigned char>(text[0]);
  for (const Form& form : kForms) {
    if ((first & form.mask) != form.lead) continue;
    if (text.size() < form.length) return {};
    char32_t code_point = first & static_cast<unsigned char>(~form.mask);
    for (size_t i = 1; i < form.length; ++i) {
      const auto next = static_cast<unsigned char>(text[i]);
      if ((next & 0xc0) != 0x80) return {};
      code_point = code_point << 6 | (next & 0x3f);
    }
    const bool surrogate = code_point >= 0xd800 && code_point <= 0xdfff;
    if (code_point < form.smallest || surrogate || code_point > 0x10ffff) return {};
    return {code_point, form.length};
  }
  return {};
}

bool is_printable(char32_t code_point) {
  const char32_t c = code_point;
  const bool is_control = c < 0x20 || (c >= 0x7f && c <= 0x9f);
  const bool reorders = c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
                        (c >= 0x2066 && c <= 0x2069);
  return !is_control && !reorders;
}

}  // namespace tuneshift
