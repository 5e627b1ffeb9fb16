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

std::optional<uint64_t> parse_size(std::string_view text) {
  struct Unit {
    std::string_view suffix;
    uint64_t bytes;
  };
  constexpr Unit kUnits[] = {
      {"KiB", 1ULL << 10}, {"MiB", 1ULL << 20}, {"GiB", 1ULL << 30}, {"TiB", 1ULL << 40}, {"", 1}};
  for (const Unit& unit : kUnits) {
    if (!text.ends_with(unit.suffix)) continue;
    const auto number = parse_integer(text.substr(0, text.size() - unit.suffix.size()));
    if (!number || *number < 0) return std::nullopt;
    const auto natural = static_cast<uint64_t>(*number);
    return natural > UINT64_MAX / unit.bytes ? UINT64_MAX : natural * unit.bytes;
  }
  return std::nullopt;
}

}  // namespace tuneshift
