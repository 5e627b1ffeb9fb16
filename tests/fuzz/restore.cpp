// SPDX-License-Identifier: LGPL-2.1-or-later
// A start with a journal of anybody's making. The first line of the input says what the machine
// looks like then, the rest is the journal: what it proves goes back, the rest is told, and nothing
// else is touched.
#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "libtune/journal_record.h"
#include "libtune/knob_text.h"
#include "tests/fuzz/check.h"
#include "tests/fuzz/machine.h"
#include "tests/fuzz/target.h"

using namespace tuneshift;
using namespace tuneshift::fuzz;

namespace {

using Entries = std::vector<JournalEntry>;

uint64_t tick() {
  static uint64_t now = 0;
  return ++now;
}

/// What a knob of the journal shows at the start, as one letter says.
std::string start_text(const JournalEntry& entry, unsigned state) {
  const std::string ours = entry.ours.empty() ? entry.original : entry.ours.back();
  switch (state) {
    case 1:
      return ours;
    case 2:
      return entry.original;
    case 3:
      return entry.ours.empty() ? entry.original : entry.ours.front();
    case 4:
      return std::to_string(std::min<int64_t>(parse_number(ours).value_or(0), INT32_MAX) + 4);
    case 5:
      return "12345";
    case 6:
      return "other [" + ours + "]";
    default:
      return "";
  }
}

void prepare(Machine& machine, const std::string& state, const Entries& entries) {
  ImitatedKernel& kernel = machine.kernel();
  for (size_t i = 0; i < entries.size() && i + 1 < state.size(); ++i) {
    const auto knob = resolve_knob(kernel, entries[i].knob);
    if (!knob || !kernel.by_path.contains(knob.value().path)) continue;
    const auto letter = static_cast<unsigned char>(state[i + 1]);
    if ((letter & 7U) != 0) (void)kernel.set(knob.value(), start_text(entries[i], letter & 7U));
    if ((letter & 8U) != 0) kernel.refusing.insert(knob.value().path);
  }
  kernel.moves = !state.empty() && (state[0] & 1) != 0;
}

/// One process that restores, as `tuneshiftd --restore` does.
Receipt restore(Machine& machine) {
  Journal journal = machine.open_journal();
  Applier applier(machine.kernel(), journal, Clocks{tick, tick});
  return applier.restore_all();
}

bool is_told(const Receipt& receipt, const std::string& knob) {
  return std::any_of(receipt.begin(), receipt.end(), [&](const Change& change) {
    return change.knob == knob && change.kind != ChangeKind::restored &&
           change.kind != ChangeKind::written;
  });
}

/// What may be written to each path, and shown by it in the end.
struct Permitted {
  std::map<std::string, std::set<std::string>> texts;

  void add(const Machine& machine, const Knob& knob, const std::set<std::string>& more) {
    std::set<std::string>& known = texts[knob.path];
    known.insert(machine.shown(knob));
    known.insert(more.begin(), more.end());
    if (knob.kind->restore == Restore::wbt_default) known.insert("-1");
  }
};

void permit_moved(Permitted& permitted, const Machine& machine, const Knob& knob) {
  std::vector<std::string_view> names = knob.kind->moves;
  if (!knob.kind->excludes.empty()) names.push_back(knob.kind->excludes);
  for (const std::string_view name : names) {
    for (const auto& [path, other] : machine.knobs()) {
      if (other.kind->name != name) continue;
      permitted.add(machine, other, {});
      if (knob.kind->excludes == name) permitted.add(machine, other, {"0", "1"});
    }
  }
}

Permitted permitted_by(Machine& machine, const Entries& entries) {
  Permitted permitted;
  for (const JournalEntry& entry : entries) {
    const auto knob = resolve_knob(machine.kernel(), entry.knob);
    if (!knob || entry.yielded) continue;
    permitted.add(machine, knob.value(), {entry.original});
    if (!knob.value().kind->excludes.empty()) permitted.add(machine, knob.value(), {"0"});
    permit_moved(permitted, machine, knob.value());
  }
  return permitted;
}

void check_writes(const ImitatedKernel& kernel, const Permitted& permitted) {
  for (const auto& [path, value] : kernel.writes) {
    const auto texts = permitted.texts.find(path);
    check(texts != permitted.texts.end() && texts->second.contains(value),
          "what is written was in the journal", path + "=" + value);
  }
}

/// An unsettled entry of the journal and what its knob shows at the start.
struct Start {
  JournalEntry entry;
  Knob knob;
  std::string shown;
};

std::vector<Start> starts(Machine& machine, const Entries& entries, const Receipt* receipt) {
  std::vector<Start> all;
  for (const JournalEntry& entry : entries) {
    const auto knob = resolve_knob(machine.kernel(), entry.knob);
    if (entry.yielded) continue;
    if (knob && knob.value().name == entry.knob) {
      all.push_back({entry, knob.value(), machine.shown(knob.value())});
    } else if (receipt != nullptr) {
      check(is_told(*receipt, entry.knob), "an entry without a knob is told", entry.knob);
    }
  }
  return all;
}

bool is_foreign(const Start& start) {
  const JournalEntry& entry = start.entry;
  if (entry.guarded || start.shown == entry.original) return false;
  return std::none_of(entry.ours.begin(), entry.ours.end(), [&](const std::string& ours) {
    return ours == start.shown ||
           (entry.unconfirmed && may_be_rounded(*start.knob.kind, ours, start.shown));
  });
}

/// Of a pair that excludes each other one is 0: a journal that says otherwise cannot be followed.
bool is_contradicted(const Start& start, const std::vector<Start>& all) {
  return start.entry.original != "0" &&
         std::any_of(all.begin(), all.end(), [&](const Start& other) {
           return other.knob.name == start.knob.kind->excludes && other.entry.original != "0";
         });
}

/// Under a scheduler of ours its number is another one, whatever stands there.
bool is_away(const Start& start, const std::vector<Start>& all) {
  return std::any_of(all.begin(), all.end(), [&](const Start& other) {
    return other.knob.name == host_name(start.knob) && other.shown != other.entry.original;
  });
}

void check_end(Machine& machine, const Start& start, const std::vector<Start>& all,
               const Receipt& receipt) {
  const std::string end = machine.shown(start.knob);
  const bool told = is_told(receipt, start.knob.name);
  check(told || end == start.entry.original || is_contradicted(start, all),
        "an entry is restored or told", start.knob.name);
  if (!machine.kernel().by_path.contains(start.knob.path)) return;
  if (!is_foreign(start) || is_away(start, all)) return;
  check(told, "somebody else's value is told", start.knob.name);
  check(end == start.shown || machine.kernel().refusing.contains(start.knob.path),
        "somebody else's value stands", start.knob.name + ": " + end);
}

void check_journal(Machine& machine, const Receipt& receipt) {
  for (const JournalEntry& entry : machine.open_journal().read().entries) {
    check(entry.yielded || is_told(receipt, entry.knob), "what stays in the journal is told",
          entry.knob);
  }
}

/// A second process finds nothing left to do where the first one did all.
void check_again(Machine& machine, const Receipt& receipt) {
  const auto failed = [](const Change& change) { return change.kind == ChangeKind::failed; };
  if (std::any_of(receipt.begin(), receipt.end(), failed)) return;
  if (!machine.kernel().refusing.empty()) return;
  (void)machine.take_changes();
  check(restore(machine).empty(), "a second restore has nothing to tell");
  check(machine.take_changes().empty(), "a second restore changes nothing");
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Machine machine;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(text.find('\n'), text.size());
  const std::string journal = text.substr(std::min(end + 1, text.size()));
  const Entries entries = fold_records(journal).entries;

  prepare(machine, text.substr(0, end), entries);
  const Permitted permitted = permitted_by(machine, entries);
  const std::vector<Start> before = starts(machine, entries, nullptr);
  machine.write_journal(journal);
  (void)machine.take_changes();

  const Receipt receipt = restore(machine);
  (void)starts(machine, entries, &receipt);
  (void)machine.take_changes();
  check_writes(machine.kernel(), permitted);
  for (const Start& start : before) check_end(machine, start, before, receipt);
  check_journal(machine, receipt);
  check_again(machine, receipt);
  machine.reset();
  return 0;
}
