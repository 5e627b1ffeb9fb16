// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/tuned_file.h"

#include <algorithm>

namespace tuneshift {

namespace {

constexpr size_t kMostOptions = 4096;
constexpr std::string_view kBlanks = " \t\r\f\v";

std::string_view trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

/// Without what a '#' at its begin or behind a blank starts.
std::string_view without_comment(std::string_view line) {
  for (size_t at = line.find('#'); at != std::string_view::npos; at = line.find('#', at + 1)) {
    if (at == 0 || kBlanks.find(line[at - 1]) != std::string_view::npos) return line.substr(0, at);
  }
  return line;
}

Error mistake(size_t line, const std::string& what) {
  return {ErrorCode::invalid_argument, "line " + std::to_string(line) + ": " + what, {}, 0};
}

TunedSection& open_section(std::vector<TunedSection>& sections, std::string_view name) {
  const auto found = std::find_if(sections.begin(), sections.end(),
                                  [name](const TunedSection& one) { return one.name == name; });
  if (found != sections.end()) return *found;
  return sections.emplace_back(TunedSection{std::string(name), {}});
}

}  // namespace

std::string TunedSection::take(std::string_view key) {
  const auto found = std::find_if(options.begin(), options.end(),
                                  [key](const auto& option) { return option.first == key; });
  if (found == options.end()) return {};
  std::string value = std::move(found->second);
  options.erase(found);
  return value;
}

const std::string* TunedSection::find(std::string_view key) const {
  for (const auto& [option, value] : options) {
    if (option == key) return &value;
  }
  return nullptr;
}

void TunedSection::set(const std::string& key, std::string value) {
  for (auto& [option, old] : options) {
    if (option != key) continue;
    old = std::move(value);
    return;
  }
  options.emplace_back(key, std::move(value));
}

Result<std::vector<TunedSection>> parse_tuned_file(std::string_view text, bool headless) {
  std::vector<TunedSection> sections;
  std::string section;
  std::string key;  // that an indented line continues
  bool open = headless;
  size_t count = 0;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view whole = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::string_view line = trim(without_comment(whole));
    if (line.empty() || line.front() == ';') continue;
    const bool indented = kBlanks.find(whole.front()) != std::string_view::npos;
    if (indented && !key.empty()) {
      TunedSection& in = open_section(sections, section);
      in.set(key, *in.find(key) + "\n" + std::string(line));
      continue;
    }
    if (line.front() == '[' && line.find(']') != std::string_view::npos) {
      section = line.substr(1, line.rfind(']') - 1);
      open_section(sections, section);
      open = true;
      key.clear();
      continue;
    }
    const size_t equals = line.find('=');
    if (!open) return mistake(number, "nothing may come before the first [section]");
    if (equals == std::string_view::npos || equals == 0) {
      return mistake(number, "expected key = value");
    }
    if (++count > kMostOptions) {
      return Error{ErrorCode::limit_exceeded, "more than 4096 options", {}, 0};
    }
    key = trim(line.substr(0, equals));
    open_section(sections, section).set(key, std::string(trim(line.substr(equals + 1))));
  }
  return sections;
}

}  // namespace tuneshift
