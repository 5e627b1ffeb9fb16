// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/args.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <string_view>

namespace tuneshift {

namespace {

constexpr uint64_t kMostSeconds = 10ULL * 365 * 86400;

Error mistake(std::string message) {
  return {ErrorCode::invalid_argument, std::move(message), {}, 0};
}

/// Takes a decimal number from the front.
bool take_number(std::string_view& text, uint64_t& number) {
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

uint64_t unit_seconds(std::string_view unit) {
  if (unit.empty() || unit == "s" || unit == "sec") return 1;
  if (unit == "m" || unit == "min") return 60;
  if (unit == "h") return 3600;
  if (unit == "d") return 86400;
  return 0;
}

/// Local midnight `days` days before `now_us`.
uint64_t midnight(uint64_t now_us, int days) {
  const auto seconds = static_cast<time_t>(now_us / 1000000);
  tm local{};
  localtime_r(&seconds, &local);
  local.tm_hour = local.tm_min = local.tm_sec = 0;
  local.tm_mday -= days;
  local.tm_isdst = -1;
  return static_cast<uint64_t>(mktime(&local)) * 1000000;
}

}  // namespace

Result<uint64_t> parse_duration(const std::string& text) {
  const Error error = mistake("'" + text + "' is no duration, as 90s, 10m or 2h are");
  std::string_view rest = text;
  uint64_t total = 0;
  if (rest.empty()) return error;
  while (!rest.empty()) {
    uint64_t number = 0;
    if (!take_number(rest, number)) return error;
    const size_t length = std::min(rest.find_first_of("0123456789"), rest.size());
    const uint64_t unit = unit_seconds(rest.substr(0, length));
    rest.remove_prefix(length);
    if (unit == 0 || number > kMostSeconds) return error;
    total += number * unit;
    if (total > kMostSeconds) return error;
  }
  if (total == 0) return mistake("a duration is at least 1 second");
  return total;
}

Result<uint64_t> parse_time(const std::string& text, uint64_t now_us) {
  if (text == "today") return midnight(now_us, 0);
  if (text == "yesterday") return midnight(now_us, 1);
  if (text.starts_with('@')) {
    std::string_view rest = std::string_view(text).substr(1);
    uint64_t seconds = 0;
    if (take_number(rest, seconds) && rest.empty() && seconds < UINT64_MAX / 1000000)
      return seconds * 1000000;
  }
  if (const auto ago = parse_duration(text); ago.ok()) {
    const uint64_t ago_us = ago.value() * 1000000;
    return ago_us > now_us ? 0 : now_us - ago_us;
  }
  const auto today = static_cast<time_t>(now_us / 1000000);
  for (const char* pattern :
       {"%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%H:%M:%S", "%H:%M"}) {
    tm moment{};
    localtime_r(&today, &moment);
    moment.tm_hour = moment.tm_min = moment.tm_sec = 0;
    const char* end = strptime(text.c_str(), pattern, &moment);
    if (end == nullptr || *end != '\0') continue;
    moment.tm_isdst = -1;
    const time_t seconds = mktime(&moment);
    if (seconds < 0) break;
    return static_cast<uint64_t>(seconds) * 1000000;
  }
  return mistake("'" + text + "' is no time, as 10m (ago), today, 14:30 or '2025-01-31 14:30' are");
}

Result<Subject> parse_subject(const std::string& text) {
  Subject subject;
  if (text.empty()) return mistake("expected a process, a path or a knob");
  if (text.find_first_not_of("0123456789") == std::string::npos) {
    std::string_view rest = text;
    uint64_t pid = 0;
    if (!take_number(rest, pid) || pid == 0 || pid > INT32_MAX)
      return mistake("'" + text + "' is no process");
    subject.kind = Subject::Kind::pid;
    subject.pid = static_cast<uint32_t>(pid);
    return subject;
  }
  std::error_code failed;
  const bool exists = std::filesystem::exists(text, failed);
  subject.text = text;
  if (!exists && text.front() != '/' && text.front() != '.') return subject;
  subject.kind = Subject::Kind::path;
  const auto real =
      std::filesystem::weakly_canonical(std::filesystem::absolute(text, failed), failed);
  if (!failed) subject.text = real.string();
  return subject;
}

SplitArguments split_arguments(int argc, char** argv) {
  SplitArguments split;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (split.has_command) {
      split.command.push_back(argument);
    } else if (argument == "--") {
      split.has_command = true;
    } else {
      split.own.push_back(argument);
    }
  }
  return split;
}

}  // namespace tuneshift
