// SPDX-License-Identifier: LGPL-2.1-or-later
// A journal of anybody's making: damaged lines cost only themselves, and a compaction changes
// nothing of what the rest adds up to.
#include <string>
#include <vector>

#include "libtune/journal_record.h"
#include "tests/fuzz/check.h"
#include "tests/fuzz/target.h"

using namespace tuneshift;
using namespace tuneshift::fuzz;

namespace {

bool is_same(const JournalEntry& a, const JournalEntry& b) {
  return a.knob == b.knob && a.original == b.original && a.ours == b.ours && a.device == b.device &&
         a.gave_up == b.gave_up && a.unconfirmed == b.unconfirmed && a.guarded == b.guarded &&
         a.yielded == b.yielded;
}

void check_same(const std::vector<JournalEntry>& a, const std::vector<JournalEntry>& b,
                const char* property) {
  check(a.size() == b.size(), property);
  for (size_t i = 0; i < a.size(); ++i) check(is_same(a[i], b[i]), property, a[i].knob);
}

std::vector<std::string> whole_lines(std::string_view text) {
  std::vector<std::string> lines;
  for (size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    lines.emplace_back(text.substr(0, end + 1));
    text.remove_prefix(end + 1);
  }
  return lines;
}

bool is_damaged(const std::string& line) {
  const auto problems = fold_records(line).problems;
  return !problems.empty() && problems[0].ends_with("is damaged");
}

std::string joined(const std::vector<std::string>& lines, size_t from, size_t to) {
  std::string text;
  for (size_t i = from; i < to; ++i) text += lines[i];
  return text;
}

/// What a writer appends makes sense by itself: it aborts only what it began.
void check_compaction(const std::vector<std::string>& lines) {
  const size_t middle = lines.size() / 2;
  const std::string before = joined(lines, 0, middle);
  const std::string after = joined(lines, middle, lines.size());
  if (!fold_records(after).problems.empty()) return;
  check_same(fold_records(before + after).entries,
             fold_records(encode_contents(fold_records(before)) + after).entries,
             "what is appended adds up to the same after a compaction");
}

void check_entry(const JournalEntry& entry) {
  check(!entry.yielded || (entry.ours.empty() && !entry.guarded && !entry.unconfirmed),
        "nothing of a yielded knob is ours", entry.knob);
  check(!entry.unconfirmed || !entry.ours.empty(), "only a value of ours can be unconfirmed",
        entry.knob);
  check(entry.yielded || entry.guarded || !entry.ours.empty(), "an entry says something",
        entry.knob);
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const JournalContents contents = fold_records(text);
  for (const JournalEntry& entry : contents.entries) check_entry(entry);
  for (const std::string& problem : contents.problems) {
    check(is_readable(problem), "a problem can be shown", problem);
  }
  const std::string compacted = encode_contents(contents);
  const JournalContents again = fold_records(compacted);
  check(again.problems.empty(), "a compacted journal has no problems", compacted);
  check_same(contents.entries, again.entries, "a compacted journal adds up to the same");

  const std::vector<std::string> lines = whole_lines(text);
  check(contents.problems.size() <= lines.size(), "at most one problem a line");
  std::string undamaged;
  for (const std::string& line : lines) {
    if (!is_damaged(line)) undamaged += line;
  }
  check_same(contents.entries, fold_records(undamaged).entries, "a damaged line adds nothing");
  check_compaction(lines);
  return 0;
}
