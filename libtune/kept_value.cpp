// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/kept_value.h"

#include "libtune/knob_text.h"

namespace tuneshift {

namespace {

bool is_equal(const KnobInfo& kind, const std::string& value, const std::string& shown) {
  const std::string text = normal_text(kind, value);
  if (text == shown) return true;
  const auto wanted = parse_number(text);
  if (wanted && wanted == parse_number(shown)) return true;
  // Only sizes are rounded to what tells nothing: 10 and 12 of anything else are two values.
  return kind.unit == "KiB" && may_be_rounded(kind, text, shown);
}

}  // namespace

bool is_conditional(const std::string& value) {
  // As tuned/plugins/base.py, _process_assignment_modifiers().
  return value.size() > 1 && (value[0] == '>' || value[0] == '<') &&
         parse_number(std::string_view(value).substr(1)).has_value();
}

std::string condition_met(const std::string& value, const std::string& current) {
  const auto limit = parse_number(std::string_view(value).substr(1));
  const auto number = parse_number(current);
  if (!limit || !number) return current;
  const bool moves = value[0] == '>' ? *limit > *number : *limit < *number;
  return moves ? std::to_string(*limit) : current;
}

bool is_kept(const KnobInfo& kind, const std::string& value, const std::string& shown) {
  if (value.empty()) return true;
  if (is_conditional(value)) return condition_met(value, shown) == shown;
  size_t begin = 0;
  while (begin <= value.size()) {
    const size_t end = std::min(value.find('|', begin), value.size());
    if (is_equal(kind, value.substr(begin, end - begin), shown)) return true;
    begin = end + 1;
  }
  return false;
}

}  // namespace tuneshift
