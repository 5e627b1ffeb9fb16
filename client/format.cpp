// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/format.h"

#include <langinfo.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <cmath>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <span>

#include "client/utf8.h"

namespace tuneshift {

namespace {

constexpr uint64_t kSecond = 1000000;

/// Three significant digits of `number` in the largest unit that it reaches.
std::string scaled(uint64_t number, uint64_t step, std::span<const char* const> units) {
  auto value = static_cast<double>(number);
  size_t unit = 0;
  // 999.5 would be printed as 1000 of the smaller unit.
  while (unit + 1 < units.size() && value >= static_cast<double>(step) - 0.5) {
    value /= static_cast<double>(step);
    ++unit;
  }
  const int decimals = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  std::array<char, 48> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "%.*f %s", decimals, value, units[unit]);
  return buffer.data();
}

std::string two_units(uint64_t large, const char* large_unit, uint64_t small,
                      const char* small_unit) {
  std::string text = std::to_string(large) + ' ' + large_unit;
  if (small != 0) text += ' ' + std::to_string(small) + ' ' + small_unit;
  return text;
}

std::string repeated(std::string_view text, size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i) out += text;
  return out;
}

}  // namespace

std::string human_size(uint64_t bytes) {
  constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  return scaled(bytes, 1024, kUnits);
}

std::string human_rate(uint64_t bytes_per_second) {
  constexpr std::array kUnits = {"B/s", "kB/s", "MB/s", "GB/s", "TB/s"};
  return scaled(bytes_per_second, 1000, kUnits);
}

std::string human_duration(uint64_t microseconds) {
  if (microseconds == 0) return "0 s";
  if (microseconds < 1000) return std::to_string(microseconds) + " µs";
  if (microseconds < kSecond) return std::to_string(microseconds / 1000) + " ms";
  if (microseconds < 10 * kSecond) {
    const uint64_t tenths = microseconds / (kSecond / 10);
    std::string text = std::to_string(tenths / 10);
    if (tenths % 10 != 0) text += '.' + std::to_string(tenths % 10);
    return text + " s";
  }
  const uint64_t seconds = microseconds / kSecond;
  if (seconds < 60) return std::to_string(seconds) + " s";
  if (seconds < 3600) return two_units(seconds / 60, "min", seconds % 60, "s");
  const uint64_t minutes = seconds / 60;
  if (minutes < 48ULL * 60) return two_units(minutes / 60, "h", minutes % 60, "min");
  return two_units(minutes / 1440, "d", minutes % 1440 / 60, "h");
}

std::string human_time(uint64_t time_us, uint64_t now_us) {
  if (time_us == 0) return "-";
  const auto seconds = static_cast<time_t>(time_us / kSecond);
  tm local{};
  if (localtime_r(&seconds, &local) == nullptr) return "-";
  const uint64_t distance = time_us > now_us ? time_us - now_us : now_us - time_us;
  const char* pattern = distance < 12ULL * 3600 * kSecond ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S";
  std::array<char, 32> buffer{};
  std::strftime(buffer.data(), buffer.size(), pattern, &local);
  return buffer.data();
}

std::string exact_time(uint64_t time_us, uint64_t now_us) {
  if (time_us == 0) return "-";
  const std::string milliseconds = std::to_string(time_us % kSecond / 1000);
  return human_time(time_us, now_us) + '.' + std::string(3 - milliseconds.size(), '0') +
         milliseconds;
}

std::string counted(uint64_t count, std::string_view noun) {
  std::string text = std::to_string(count) + ' ';
  text += noun;
  if (count != 1) text += 's';
  return text;
}

std::string fit(std::string_view text, size_t width, bool keep_tail) {
  const size_t count = utf8_count(text);
  if (count <= width || width == 0) return std::string(text);
  const size_t dropped = count - width + 1;
  size_t position = 0;
  const size_t characters = keep_tail ? dropped : width - 1;
  for (size_t i = 0; i < characters; ++i) {
    const size_t length = utf8_length(text.substr(position));
    position += length == 0 ? 1 : length;
  }
  if (keep_tail) return "…" + std::string(text.substr(position));
  return std::string(text.substr(0, position)) + "…";
}

Style detect_style() {
  Style style;
  style.unicode = std::string_view(nl_langinfo(CODESET)) == "UTF-8";
  if (isatty(STDOUT_FILENO) == 0) return style;
  const char* no_colour = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  style.colour = (no_colour == nullptr || *no_colour == '\0') && terminal != nullptr &&
                 std::string_view(terminal) != "dumb";
  winsize size{};
  const bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  style.columns = known ? std::max<size_t>(size.ws_col, 40) : 80;
  return style;
}

std::string paint(const Style& style, Colour colour, std::string_view text) {
  if (!style.colour || colour == Colour::none || text.empty()) return std::string(text);
  constexpr std::array kCodes = {"", "1", "2", "31", "32", "33", "34"};
  std::string out = "\033[";
  out += kCodes.at(static_cast<size_t>(colour));
  out += 'm';
  out += text;
  return out + "\033[0m";
}

std::string bar(const Style& style, uint64_t part, uint64_t whole, size_t width) {
  const double share =
      whole == 0 ? 0 : std::min(1.0, static_cast<double>(part) / static_cast<double>(whole));
  const auto filled = static_cast<size_t>(std::lround(share * static_cast<double>(width)));
  return repeated(style.unicode ? "█" : "#", filled) +
         repeated(style.unicode ? "░" : ".", width - filled);
}

uint64_t now_us() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * kSecond + static_cast<uint64_t>(now.tv_nsec) / 1000;
}

}  // namespace tuneshift
