// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/knob_text.h"

#include <charconv>
#include <cmath>
#include <cstdlib>

#include "libtune/number.h"

namespace tuneshift {

namespace {

constexpr std::string_view kBlanks = " \t\n\r";

std::vector<std::string_view> split_words(std::string_view text) {
  std::vector<std::string_view> words;
  while (true) {
    const size_t begin = text.find_first_not_of(kBlanks);
    if (begin == std::string_view::npos) return words;
    text.remove_prefix(begin);
    const size_t length = std::min(text.find_first_of(kBlanks), text.size());
    words.push_back(text.substr(0, length));
    text.remove_prefix(length);
  }
}

bool is_bracketed(std::string_view word) {
  return word.size() > 2 && word.front() == '[' && word.back() == ']';
}

std::string_view without_brackets(std::string_view word) {
  return is_bracketed(word) ? word.substr(1, word.size() - 2) : word;
}

/// The smallest number that is shown as "4.7M" (drivers/md/bcache/util.c, bch_hprint(), which drops
/// what is less than a digit): written, it is shown so again. Others as they are.
std::string without_unit(std::string_view text) {
  constexpr std::string_view kUnits = "kMGT";
  const size_t unit = text.empty() ? std::string_view::npos : kUnits.find(text.back());
  if (unit == std::string_view::npos) return std::string(text);
  const auto number = parse_fraction(text.substr(0, text.size() - 1));
  constexpr double kUnit = 1024;
  if (!number || *number >= kUnit) return std::string(text);
  constexpr int kBitsAUnit = 10;
  // It goes on to the next unit at 1000, not at 1024.
  const int64_t least = unit > 0 ? 1000 : 0;
  const int64_t of_smaller_unit = std::max(static_cast<int64_t>(std::ceil(*number * kUnit)), least);
  return std::to_string(of_smaller_unit << (kBitsAUnit * unit));
}

int64_t largest_rounding(const KnobInfo& kind, int64_t written) {
  constexpr int64_t kPageKib = 64;
  constexpr int64_t kLargestDigit = 103;   // below 1 KiB, which is "1.0k"
  constexpr int64_t kLongestJiffyMs = 10;  // kernel/Kconfig.hz: 100 a second at least
  switch (kind.rounding) {
    case Rounding::steps:
      break;
    case Rounding::power_of_two:
      // Up to a page at least: mm/memory.c, fault_around_bytes_set(); fs/pipe.c, round_pipe_size().
      return std::max(written, kPageKib << 10);
    case Rounding::human_size:
      return std::max(written / 10, kLargestDigit);
    case Rounding::jiffies:
      return kLongestJiffyMs;
    case Rounding::clamped:
      return INT64_MAX;
  }
  if (is_of_device(kind.target) && kind.unit == "KiB") return kPageKib;
  return kind.name == "queue/nr_requests" ? 4 : 0;
}

}  // namespace

std::string normal_text(const KnobInfo& kind, std::string_view raw) {
  std::string text;
  for (const std::string_view word : split_words(raw)) {
    if (kind.type == ValueType::choice && is_bracketed(word)) {
      return std::string(without_brackets(word));
    }
    if (!text.empty()) text += ' ';
    text += word;
  }
  return kind.rounding == Rounding::human_size ? without_unit(text) : text;
}

std::vector<std::string> offered_choices(std::string_view raw) {
  std::vector<std::string> choices;
  for (const std::string_view word : split_words(raw)) choices.emplace_back(without_brackets(word));
  return choices;
}

std::optional<int64_t> parse_number(std::string_view text) {
  int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || rest != end) return std::nullopt;
  return number;
}

bool may_be_rounded(const KnobInfo& kind, const std::string& written, const std::string& shown) {
  const auto from = parse_number(written);
  const auto to = parse_number(shown);
  if (kind.type != ValueType::integer || !from || !to || *from < 0 || *to < 0) return false;
  return std::abs(*from - *to) <= largest_rounding(kind, *from);
}

Result<std::string> read_normal(const KernelFs& kernel, const Knob& knob) {
  const auto raw = kernel.read(knob.path);
  if (!raw) return raw.error();
  return normal_text(*knob.kind, raw.value());
}

}  // namespace tuneshift
