// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/compare/tensor_order.h"

#include <charconv>
#include <cstring>

namespace tuneshift {
namespace {

// Parses a number at `text` and cuts it off; false when there is none.
bool take_number(std::string_view& text, uint64_t& number) {
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

}  // namespace

std::vector<Range> tensor_order(std::string_view file) {
  uint64_t json_bytes = 0;
  if (file.size() < sizeof(json_bytes)) return {};
  std::memcpy(&json_bytes, file.data(), sizeof(json_bytes));
  if (json_bytes > file.size() - sizeof(json_bytes)) return {};
  std::string_view json = file.substr(sizeof(json_bytes), json_bytes);
  const uint64_t payload = sizeof(json_bytes) + json_bytes;

  std::vector<Range> ranges = {{0, payload}};
  constexpr std::string_view key = "\"data_offsets\":[";
  for (size_t at = json.find(key); at != std::string_view::npos; at = json.find(key)) {
    json.remove_prefix(at + key.size());
    uint64_t first = 0;
    uint64_t last = 0;
    if (!take_number(json, first) || !json.starts_with(',')) return {};
    json.remove_prefix(1);
    if (!take_number(json, last) || last < first || last > file.size() - payload) return {};
    ranges.emplace_back(payload + first, payload + last);
  }
  return ranges;
}

}  // namespace tuneshift
