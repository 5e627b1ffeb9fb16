// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/applier.h"

#include <algorithm>
#include <tuple>

#include "libtune/escape.h"
#include "libtune/governor.h"
#include "libtune/knob_follower.h"
#include "libtune/knob_text.h"
#include "libtune/knob_writer.h"

namespace tuneshift {

namespace {

bool is_read_ahead(const KnobInfo& kind) {
  constexpr std::string_view kName = "read_ahead_kb";
  return kind.name.size() >= kName.size() &&
         kind.name.substr(kind.name.size() - kName.size()) == kName;
}

/// What a disk has from its queue's limits, in KiB: twice the optimal request, 128 at least
/// (block/blk-settings.c, blk_apply_bdi_limits(); VM_READAHEAD_PAGES). Empty where it cannot be
/// read.
std::string kernels_read_ahead(const KernelFs& kernel, const Knob& knob) {
  constexpr int64_t kLeastKiB = 128;
  const std::string queue = knob.path.substr(0, knob.path.rfind('/') + 1);
  const auto text = kernel.read(queue + "optimal_io_size");
  const auto optimal = text ? parse_number(text.value()) : std::nullopt;
  if (!optimal || *optimal < 0) return {};
  return std::to_string(std::max(kLeastKiB, *optimal / 1024 * 2));
}

/// Whether others that are written for themselves have to come behind it.
bool leads(const KnobInfo& kind) {
  return std::any_of(kind.moves.begin(), kind.moves.end(), [&kind](std::string_view moved) {
    const KnobInfo* other = find_kind(kind.family, moved);
    return other == nullptr || other->lives_with.empty();
  });
}

/// Knobs that freeze nothing come first; among them those that move others, and read-ahead last.
/// What lives with another knob comes behind it.
int rank(const KnobInfo& kind) {
  if (!kind.lives_with.empty()) return 6;
  const int within = leads(kind) ? 0 : is_read_ahead(kind) ? 2 : 1;
  return (kind.freezes_queue ? 3 : 0) + within;
}

bool is_in(Pass pass, const KnobInfo& kind) {
  const bool is_freezing = kind.freezes_queue || !kind.lives_with.empty();
  return is_freezing == (pass == Pass::freezing);
}

/// The knob that moved it, until whose return it must stay moved; nothing where it can go back.
std::string awaited_mover(const KnobRecord& record,
                          const std::map<std::string, KnobRecord>& records) {
  const auto host = records.find(host_name(record.knob));
  if (host != records.end() && host->second.in_force) return host->first;
  const auto mover = records.find(record.moved_by);
  if (mover == records.end() || !mover->second.in_force) return {};
  const bool waits =
      record.knob.kind->excludes == record.moved_by || record.refused == record.original;
  return waits ? mover->first : std::string();
}

/// The wanted knob that forbids this one, or nothing.
std::string excluded_by(const Knob& knob, const Desired& wants) {
  const std::string twin(knob.kind->excludes);
  return !twin.empty() && twin < knob.name && wants.count(twin) > 0 ? twin : std::string();
}

/// The same wants by canonical names; `unknown` gets what is no knob.
Desired canonical(const KernelFs& kernel, const Desired& desired, Desired& unknown) {
  Desired wants;
  for (const auto& [name, want] : desired) {
    const auto knob = resolve_knob(kernel, name);
    if (knob) {
      wants.emplace(knob.value().name, want);
    } else {
      unknown.emplace(name, want);
    }
  }
  return wants;
}

}  // namespace

const char* to_string(KnobState state) {
  switch (state) {
    case KnobState::ours:
      return "ours";
    case KnobState::yielded:
      return "yielded";
    case KnobState::failed:
      return "failed";
    case KnobState::absent:
      return "absent";
    case KnobState::waiting:
      break;
  }
  return "waiting";
}

const char* to_string(ChangeKind kind) {
  switch (kind) {
    case ChangeKind::written:
      return "written";
    case ChangeKind::restored:
      return "restored";
    case ChangeKind::failed:
      return "failed";
    case ChangeKind::yielded:
      return "yielded";
    case ChangeKind::rebased:
      return "rebased";
    case ChangeKind::absent:
      return "absent";
    case ChangeKind::put_off:
      break;
  }
  return "put-off";
}

struct Applier::Turn {
  Knob knob;
  const Want* want;  // nullptr: put it back

  bool operator<(const Turn& other) const {
    return std::tuple(rank(*knob.kind), want == nullptr, knob.name) <
           std::tuple(rank(*other.knob.kind), other.want == nullptr, other.knob.name);
  }
};

Applier::Applier(KernelFs& kernel, Journal& journal, Clocks clocks)
    : kernel_(kernel),
      journal_(journal),
      clocks_(clocks),
      writer_(std::make_unique<KnobWriter>(kernel, journal, clocks)),
      follower_(std::make_unique<KnobFollower>(kernel, journal, *writer_, clocks)) {}

Applier::~Applier() = default;

Receipt Applier::converge(const Desired& desired, Pass pass) {
  Receipt receipt;
  if (journal_is_unread_ && !load_journal(receipt)) return receipt;
  Desired unknown;
  const Desired wants = canonical(kernel_, desired, unknown);
  for (const auto& [name, want] : unknown) {
    if (pass == Pass::freezing) break;  // told once
    receipt.push_back({ChangeKind::failed, name, "", to_string(want.value), want.owner,
                       want.profile, "no such knob", clocks_.monotonic_ns()});
  }
  std::vector<Turn> turns;
  for (const auto& [name, want] : wants) {
    const auto knob = resolve_knob(kernel_, name);
    if (knob && is_in(pass, *knob.value().kind)) turns.push_back({knob.value(), &want});
  }
  for (auto& [name, record] : writer_->records()) {
    record.is_wanted = wants.count(name) > 0;
    const bool settled = record.is_wanted || !record.in_force;
    if (!settled && is_in(pass, *record.knob.kind)) turns.push_back({record.knob, nullptr});
  }
  run(std::move(turns), wants, receipt);
  // Also without a receipt: what was right already is nobody's once nobody wants it.
  forget_settled();
  return receipt;
}

Receipt Applier::restore_all() {
  Receipt receipt;
  (void)load_journal(receipt);  // where it fails, what this process knows goes back all the same
  std::vector<Turn> turns;
  for (auto& [name, record] : writer_->records()) {
    record.is_wanted = false;
    if (record.in_force) turns.push_back({record.knob, nullptr});
  }
  run(std::move(turns), {}, receipt);
  for (auto& [name, record] : writer_->records()) {
    const std::string mover = record.in_force ? awaited_mover(record, writer_->records()) : "";
    if (!mover.empty()) writer_->leave_moved(record, mover, receipt);
  }
  forget_settled();
  return receipt;
}

bool Applier::adopt(const std::vector<Handover::Knob>& knobs) {
  Receipt problems;
  if (!load_journal(problems)) return false;
  for (const Handover::Knob& before : knobs) {
    const auto knob = resolve_knob(kernel_, before.name);
    if (!knob) continue;
    const bool in_force = writer_->records().count(knob.value().name) > 0;
    if (in_force == before.yielded) continue;  // the journal knows better
    KnobRecord& record = writer_->record(knob.value());
    if (before.yielded) {
      record.state = KnobState::yielded;
      record.error = before.why;
      record.original = before.original;
      record.has_original = true;
      record.device = before.device;
      record.gave_up = before.gave_up;
      record.writer = before.writer;
    } else {
      // A request ended with its process, whatever is shown.
      if (!is_request(record)) record.written = before.written;
      record.refused = before.refused;
      record.moved_by = before.moved_by;
    }
  }
  writer_->forget_recent();
  return true;
}

std::vector<Handover::Knob> Applier::hand_over() const {
  (void)journal_.write_kept();
  std::vector<Handover::Knob> knobs;
  for (const auto& [name, record] : writer_->records()) {
    const bool yielded = record.state == KnobState::yielded;
    if (!yielded && !record.in_force) continue;
    knobs.push_back({name, record.written, record.refused, record.moved_by, yielded, record.error,
                     record.original, record.device, record.gave_up, record.writer});
  }
  return knobs;
}

void Applier::run(std::vector<Turn> turns, const Desired& wants, Receipt& receipt) {
  std::sort(turns.begin(), turns.end());
  // Each knob is moved by few others; beside somebody who keeps writing this has an end as well.
  const size_t most_turns = 8 * (turns.size() + 8);
  for (size_t i = 0; i < turns.size(); ++i) {
    const Turn turn = turns[i];
    KnobRecord& record = writer_->record(turn.knob);
    const std::string other = turn.want == nullptr ? "" : excluded_by(turn.knob, wants);
    if (turn.want == nullptr) {
      if (awaited_mover(record, writer_->records()).empty()) writer_->put_back(record, receipt);
    } else if (!other.empty()) {
      writer_->refuse(record, *turn.want, "excluded by " + other + ", wanted as well", receipt);
    } else {
      writer_->take(record, *turn.want, receipt);
    }
    for (const std::string& name : writer_->take_moved()) {
      const bool comes =
          std::any_of(turns.begin() + static_cast<std::ptrdiff_t>(i) + 1, turns.end(),
                      [&name](const Turn& later) { return later.knob.name == name; });
      if (comes || turns.size() >= most_turns) continue;
      const auto want = wants.find(name);
      turns.push_back(
          {writer_->records().at(name).knob, want == wants.end() ? nullptr : &want->second});
    }
  }
}

bool Applier::load_journal(Receipt& receipt) {
  const JournalContents contents = journal_.read();
  follower_->load(contents);
  journal_is_unread_ = !contents.is_read;
  if (journal_is_unread_) {
    receipt.push_back({ChangeKind::failed, "journal", "", "", "", "", contents.problems.front(),
                       clocks_.monotonic_ns()});
  }
  for (const JournalEntry& entry : contents.entries) {
    if (entry.yielded || writer_->records().count(entry.knob) > 0) continue;
    const auto knob = resolve_knob(kernel_, entry.knob);
    // We write canonical names only, and one settles only the entry that has it.
    if (!knob || knob.value().name != entry.knob) {
      const std::string why =
          knob ? "now another name of " + knob.value().name : knob.error().message;
      receipt.push_back({ChangeKind::failed, entry.knob, "", entry.original, "", "", why,
                         clocks_.monotonic_ns()});
      continue;
    }
    KnobRecord& record = writer_->record(knob.value());
    record.original = entry.original;
    record.device = entry.device;
    record.has_original = true;
    record.ours = entry.ours;
    record.unconfirmed = entry.unconfirmed;
    record.guarded = entry.guarded;
    record.in_force = true;
    record.why = "left by an earlier process";
  }
  return contents.is_read;
}

void Applier::forget_settled() {
  auto& records = writer_->records();
  bool in_force = false;
  for (auto record = records.begin(); record != records.end();) {
    const KnobRecord& known = record->second;
    in_force = in_force || known.in_force;
    const bool settled = !known.in_force && !known.is_wanted && known.state != KnobState::yielded;
    record = settled ? records.erase(record) : std::next(record);
  }
  // Keeps the file short. It refuses while something of an earlier process is in it.
  (void)(in_force ? journal_.write_kept() : journal_.clear());
}

std::vector<PlanRow> Applier::plan(const Desired& desired) const {
  std::vector<PlanRow> rows;
  Desired unknown;
  const Desired wants = canonical(kernel_, desired, unknown);
  const auto& records = writer_->records();
  for (const auto& [name, want] : unknown) {
    rows.push_back({name, "", to_string(want.value), "", "no such knob", false});
  }
  for (const auto& [name, want] : wants) {
    const auto knob = resolve_knob(kernel_, name);
    if (!knob) continue;
    const auto found = records.find(name);
    const bool known = found != records.end() && !writer_->is_gone(found->second);
    const KnobRecord* record = known ? &found->second : nullptr;
    const bool has_original = record != nullptr && record->has_original;
    PlanRow row{
        name,     "",   to_string(want.value), record && record->in_force ? record->owner : "",
        want.why, false};
    const auto current = read_normal(kernel_, knob.value());
    if (current) row.current = current.value();
    const auto text =
        current ? tuneshift::resolve_value(kernel_, knob.value(), want.value,
                                           has_original ? record->original : current.value())
                : current;
    const std::string other = excluded_by(knob.value(), wants);
    if (text) row.wanted = text.value();
    if (!text) {
      row.why = text.error().message;
    } else if (!other.empty()) {
      row.why = "excluded by " + other + ", wanted as well";
    } else if (record != nullptr && record->state == KnobState::yielded) {
      row.why = record->error;
    } else if (has_original && !KnobWriter::is_expected(*record, row.current)) {
      row.why = "somebody else changed it";
    } else if (record != nullptr && row.wanted == record->refused) {
      row.why = record->error;
    } else if (record != nullptr && row.wanted == record->written) {
      row.wanted = row.current;  // what the kernel made of it stands
    } else {
      row.would_write = row.wanted != row.current;
      const bool is_theirs = record == nullptr || !record->in_force;
      const std::string kept = row.would_write && is_theirs
                                   ? reason_to_keep(kernel_, knob.value(), row.current)
                                   : std::string();
      if (!kept.empty()) {
        row.why = kept;
        row.would_write = false;
      }
    }
    rows.push_back(std::move(row));
  }
  for (const auto& [name, record] : records) {
    if (wants.count(name) > 0 || !record.in_force || writer_->is_gone(record)) continue;
    if (!awaited_mover(record, records).empty()) continue;  // not there before its mover is back
    const auto current = read_normal(kernel_, record.knob);
    const bool expected = current && KnobWriter::is_expected(record, current.value());
    rows.push_back({name, current ? current.value() : "", record.original, record.owner,
                    expected ? "no longer wanted" : "somebody else changed it", expected});
  }
  return rows;
}

std::vector<KnobStatus> Applier::knobs() const {
  std::vector<KnobStatus> rows;
  for (const auto& [name, record] : writer_->records()) {
    const auto current = read_normal(kernel_, record.knob);
    rows.push_back({name, record.original, current ? current.value() : "",
                    record.is_wanted || !record.moved_by.empty() ? record.wanted : record.original,
                    record.owner, record.error.empty() ? record.why : record.error, record.state,
                    record.since_us});
  }
  return rows;
}

void Applier::know(const Writers& writers) {
  writer_->know(writers);
}

Receipt Applier::verify(const Writers& writers) {
  Receipt receipt;
  for (auto& [name, record] : writer_->records()) {
    const std::string* writer = find_writer(writers, record);
    if (writer != nullptr) writer_->check(record, receipt, *writer);
  }
  return receipt;
}

Receipt Applier::forget_gone() {
  Receipt receipt;
  auto& records = writer_->records();
  for (auto record = records.begin(); record != records.end();) {
    const bool gone = writer_->is_gone(record->second);
    if (gone) writer_->lose(record->second, receipt);
    record = gone ? records.erase(record) : std::next(record);
  }
  forget_settled();
  return receipt;
}

Receipt Applier::follow(const KeptValues& now, const std::optional<KeptValues>& at_death,
                        bool may_have_rolled_back) {
  Receipt receipt = follower_->follow(now, at_death, may_have_rolled_back);
  forget_settled();
  return receipt;
}

void Applier::forget_recent() {
  writer_->forget_recent();
}

bool Applier::has_unsettled() const {
  const auto& records = writer_->records();
  return std::any_of(records.begin(), records.end(), [](const auto& entry) {
    const KnobRecord& record = entry.second;
    const bool stuck = record.in_force && !record.is_wanted && record.state == KnobState::failed;
    return stuck || (record.is_wanted && record.state == KnobState::waiting);
  });
}

Status Applier::rearm(const std::string& knob) {
  auto& records = writer_->records();
  const auto known = resolve_knob(kernel_, knob);
  bool found = knob.empty();
  for (auto record = records.begin(); record != records.end();) {
    const bool meant = knob.empty() || (known && known.value().name == record->first);
    if (!meant || record->second.state != KnobState::yielded) {
      ++record;
      continue;
    }
    found = true;
    (void)journal_.append_restored(record->first);
    record = records.erase(record);
  }
  if (found) return {};
  return Error{ErrorCode::not_found, "knob '" + escape(knob, 64) + "' is not yielded", {}, 0};
}

std::vector<std::string> Applier::reset_by_kernel(uint64_t since_us) const {
  std::vector<std::string> names;
  for (const auto& [name, record] : writer_->records()) {
    const bool is_late =
        record.state == KnobState::yielded && record.since_us >= since_us && record.writer.empty();
    const bool is_of_nvme = name.starts_with("block/nvme") && is_read_ahead(*record.knob.kind);
    if (!is_of_nvme || !(record.in_force || is_late)) continue;
    const auto shown = read_normal(kernel_, record.knob);
    if (shown && shown.value() == kernels_read_ahead(kernel_, record.knob)) names.push_back(name);
  }
  return names;
}

Result<std::string> Applier::resolve_value(const Knob& knob, const ValueSpec& spec,
                                           const std::string& original) const {
  return tuneshift::resolve_value(kernel_, knob, spec, original);
}

}  // namespace tuneshift
