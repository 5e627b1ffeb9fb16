// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/rules.h"

#include <algorithm>
#include <set>
#include <utility>

#include "libtune/layers.h"
#include "libtune/rules_file.h"

namespace tuneshift {

namespace {

constexpr size_t kMostFiles = 64;
constexpr size_t kLargestFileBytes = size_t{64} << 10;

/// Appends those rules whose name is not there yet.
template <typename Rule>
void merge(std::vector<Rule>& all, std::vector<Rule> more) {
  std::set<std::string> known;
  for (const Rule& rule : all) known.insert(rule.name);
  for (Rule& rule : more) {
    if (!known.contains(rule.name)) all.push_back(std::move(rule));
  }
}

void check_bounds(const Rules& rules, const std::string& path, Diagnostics& mistakes) {
  size_t bytes = 0;
  for (const FormatRule& rule : rules.formats) bytes += size_of(rule);
  if (rules.formats.size() > most_rules || rules.processes.size() > most_rules) {
    mistakes.push_back(
        {path, 0, 0, "more than " + std::to_string(most_rules) + " rules of one kind in all"});
  }
  if (bytes > most_format_rule_bytes) {
    mistakes.push_back({path, 0, 0,
                        "the formats of all files are larger than " +
                            std::to_string(most_format_rule_bytes / 1024) + " KiB together"});
  }
}

}  // namespace

size_t size_of(const FormatRule& rule) {
  constexpr size_t each_rule = 24;
  constexpr size_t each_text = 8;
  size_t bytes = each_rule + rule.name.size();
  for (const Magic& magic : rule.magic) bytes += each_text + magic.bytes.size();
  for (const std::string& name : rule.files) bytes += each_text + name.size();
  for (const std::string& name : rule.beside) bytes += each_text + name.size();
  return bytes;
}

Rules read_rules(const std::vector<std::string>& directories, Diagnostics& mistakes) {
  const size_t first = mistakes.size();
  Layers layers(".yaml", kMostFiles, mistakes);
  for (const std::string& directory : directories) layers.add(directory);
  std::vector<std::pair<std::string, size_t>> files(layers.files().begin(), layers.files().end());
  // Sorted by name already: the administrator's files come first.
  std::stable_sort(files.begin(), files.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  Rules rules;
  std::string path;
  for (const auto& [file, index] : files) {
    path = layers.directory(index).path_of(file);
    const auto text = layers.directory(index).read(file, kLargestFileBytes);
    if (!text) {
      add_mistake(text.error(), mistakes);
      continue;
    }
    Rules more = parse_rules_file(text.value(), path, mistakes);
    merge(rules.formats, std::move(more.formats));
    merge(rules.processes, std::move(more.processes));
  }
  check_bounds(rules, path, mistakes);
  sort_by_position(mistakes, first);
  return rules;
}

}  // namespace tuneshift
