// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/process_identity.h"

#include <unistd.h>

#include <charconv>

namespace tuneshift {

namespace {

constexpr int start_time_field = 22;
constexpr int first_field_after_command = 3;

std::optional<uint64_t> parse_number(std::string_view text, int base) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc{} || end == text.data()) return std::nullopt;
  return number;
}

}  // namespace

std::optional<uint64_t> parse_start_ticks(std::string_view stat) {
  // Only the last parenthesis is the kernel's: everything before it may be the command's own.
  size_t at = stat.rfind(')');
  if (at == std::string_view::npos) return std::nullopt;
  for (int field = first_field_after_command; field <= start_time_field; ++field) {
    at = stat.find(' ', at);
    if (at == std::string_view::npos) return std::nullopt;
    ++at;
  }
  return parse_number(stat.substr(at), 10);
}

bool started_at(std::string_view stat, uint64_t start_ns) {
  static const auto ticks_per_second = static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
  const auto ticks = parse_start_ticks(stat);
  return ticks && *ticks == start_ns / (1000000000ULL / ticks_per_second);
}

std::optional<uint64_t> parse_field(std::string_view text, std::string_view key, int base) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    std::string_view line = text.substr(at, end == std::string_view::npos ? end : end - at);
    if (line.substr(0, key.size()) == key) {
      line.remove_prefix(key.size());
      while (!line.empty() && (line[0] == ' ' || line[0] == '\t')) line.remove_prefix(1);
      return parse_number(line, base);
    }
    if (end == std::string_view::npos) break;
    at = end + 1;
  }
  return std::nullopt;
}

}  // namespace tuneshift
