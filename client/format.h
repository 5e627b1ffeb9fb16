// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tuneshift {

/// "0 B", "640 KiB", "15.3 GiB": binary units.
std::string human_size(uint64_t bytes);

/// "0 B/s", "820 MB/s", "2.14 GB/s": decimal units, as devices are sold.
std::string human_rate(uint64_t bytes_per_second);

/// "0 s", "850 µs", "16 ms", "7.1 s", "2 min 5 s", "3 h 12 min", "4 d 2 h".
std::string human_duration(uint64_t microseconds);

/// Local time: "14:03:12" when less than half a day from `now_us`, else "2025-01-31 14:03:12";
/// "-" for 0. Both in µs since the epoch.
std::string human_time(uint64_t time_us, uint64_t now_us);

/// The same to the millisecond.
std::string exact_time(uint64_t time_us, uint64_t now_us);

/// "1 knob", "3 knobs".
std::string counted(uint64_t count, std::string_view noun);

/// `text` cut to `width` characters, its last one "…" (its tail where `keep_tail`, for paths).
std::string fit(std::string_view text, size_t width, bool keep_tail = false);

/// How the standard output wants its text.
struct Style {
  bool colour = false;   ///< a terminal, and NO_COLOR is not set
  bool unicode = false;  ///< the locale is UTF-8
  size_t columns = 0;    ///< 0: not a terminal, any width
};

/// The style of the standard output, from the terminal and the environment.
Style detect_style();

enum class Colour { none, bold, dim, red, green, yellow, blue };

/// `text` in colour where the style has them.
std::string paint(const Style& style, Colour colour, std::string_view text);

/// A bar of `width` characters, filled to `part` of `whole`; not coloured.
std::string bar(const Style& style, uint64_t part, uint64_t whole, size_t width);

/// CLOCK_REALTIME in µs.
uint64_t now_us();

}  // namespace tuneshift
