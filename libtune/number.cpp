// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/number.h"

#include <algorithm>
#include <charconv>

namespace tuneshift {

namespace {

bool all_digits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_natural(std::string_view text) {
  return all_digits(text) && (text.size() == 1 || text.front() != '0');
}

}  // namespace

std::optional<int64_t> parse_integer(std::string_view text) {
  if (!is_natural(text.starts_with('-') ? text.substr(1) : text)) return std::nullopt;
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<double> parse_fraction(std::string_view text) {
  const size_t point = text.find('.');
  if (!is_natural(text.substr(0, point))) return std::nullopt;
  if (point != std::string_view::npos && !all_digits(text.substr(point + 1))) return std::nullopt;
  double number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace tuneshift
