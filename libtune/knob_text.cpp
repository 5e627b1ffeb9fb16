// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/knob_text.h"

#include <charconv>
#include <cstdlib>

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
  return text;
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
  int64_t step = 0;
  if (kind.scope == Scope::device && kind.unit == "KiB") step = 64;
  if (kind.name == "queue/nr_requests") step = 4;
  return std::abs(*from - *to) <= step;
}

Result<std::string> read_normal(const KernelFs& kernel, const Knob& knob) {
  const auto raw = kernel.read(knob.path);
  if (!raw) return raw.error();
  return normal_text(*knob.kind, raw.value());
}

}  // namespace tuneshift
