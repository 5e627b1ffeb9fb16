// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/knob_writer.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "libtune/device_identity.h"
#include "libtune/governor.h"
#include "libtune/knob_text.h"
#include "libtune/writeback.h"

namespace tuneshift {

namespace {

/// These records only narrow down what an intent or a guard before them allows. The journal keeps
/// one that finds no room, and writes it before the next.
void note(const Status& /*appended*/) {}

/// An answer that stays the same when asked again.
bool is_final(const Error& error) {
  return error.code == ErrorCode::invalid_argument || error.code == ErrorCode::permission;
}

/// Whether a write says that the knob's device is on its way out. ENOENT alone says nothing: the
/// read-back tells whether the file is gone.
bool tells_of_removal(const Status& written, const Knob& knob) {
  if (written || knob.kind->target == Target::machine) return false;
  return written.error().errno_value == ENODEV || written.error().errno_value == ENXIO;
}

/// A write that is refused only after its deadline looks like one that was lost: each further try
/// freezes the queue again.
constexpr unsigned kMostUnlanded = 3;

/// A call that was given up, unlike one of which the kernel itself says ETIMEDOUT.
bool is_given_up(const Status& status) {
  return !status && status.error().code == ErrorCode::timeout && status.error().errno_value == 0;
}

}  // namespace

bool is_request(const KnobRecord& record) {
  return record.knob.kind->restore == Restore::let_go;
}

bool is_removed(const Result<std::string>& shown, const Knob& knob) {
  return !shown && knob.kind->target != Target::machine &&
         shown.error().code == ErrorCode::not_found;
}

KnobWriter::KnobWriter(KernelFs& kernel, Journal& journal, Clocks clocks)
    : kernel_(kernel), journal_(journal), clocks_(clocks) {}

KnobRecord& KnobWriter::record(const Knob& knob) {
  const auto [found, made] = records_.try_emplace(knob.name);
  if (made) {
    found->second.knob = knob;
    found->second.since_us = clocks_.realtime_us();
  }
  return found->second;
}

KnobRecord* KnobWriter::find(const std::string& name) {
  const auto found = records_.find(name);
  return found == records_.end() ? nullptr : &found->second;
}

std::vector<std::string> KnobWriter::take_moved() {
  return std::exchange(moved_, {});
}

bool KnobWriter::is_expected(const KnobRecord& record, const std::string& current) {
  if (is_request(record)) return true;
  if (!record.in_force) return current == record.original;
  // Nothing else than the other one of the pair moves a knob that has one, and only to 0.
  const bool is_moved = record.knob.kind->excludes.empty() || current == "0";
  if (record.guarded && (is_moved || current == record.original)) return true;
  return std::any_of(record.ours.begin(), record.ours.end(), [&](const std::string& ours) {
    return ours == current ||
           (record.unconfirmed && may_be_rounded(*record.knob.kind, ours, current));
  });
}

Change KnobWriter::change(ChangeKind kind, const KnobRecord& record, const std::string& from,
                          const std::string& to) const {
  const bool went_wrong = kind != ChangeKind::written && kind != ChangeKind::restored;
  return {kind,
          record.knob.name,
          from,
          to,
          record.owner,
          record.profile,
          went_wrong ? record.error : record.why,
          clocks_.monotonic_ns(),
          {}};
}

void KnobWriter::set_state(KnobRecord& record, KnobState state) {
  if (state == KnobState::ours) record.error.clear();
  if (record.state == state) return;
  record.state = state;
  record.since_us = clocks_.realtime_us();
}

bool KnobWriter::is_gone(const KnobRecord& record) const {
  const KnobRecord* host = changed_host(record);
  if (host != nullptr) return is_gone(*host);
  return is_device_gone(kernel_, record.knob, record.device);
}

void KnobWriter::renew(KnobRecord& record, Receipt& receipt) {
  if (is_gone(record)) lose(record, receipt);
  const auto device = device_identity(kernel_, record.knob);
  if (record.device.empty() && device) record.device = device.value();
}

void KnobWriter::lose(KnobRecord& record, Receipt& receipt) {
  const std::string why =
      record.knob.kind->lives_with.empty()
          ? "its device is gone"
          : "its " + std::string(record.knob.kind->lives_with) + " is another, or gone";
  if (record.in_force || (record.is_wanted && record.state == KnobState::ours)) {
    record.error = why;
    receipt.push_back(
        change(ChangeKind::absent, record, record.ours.empty() ? "" : record.ours.back(), ""));
  }
  settle_left_guards(record, nullptr, receipt);
  settle(record);
  record.has_original = false;
  record.device.clear();
  set_state(record, KnobState::absent);
  record.error = why;
}

void KnobWriter::take(KnobRecord& record, const Want& want, Receipt& receipt) {
  renew(record, receipt);
  record.is_wanted = true;
  record.owner = want.owner;
  record.profile = want.profile;
  record.why = want.why;
  if (record.state == KnobState::yielded) return;
  const auto current = read_normal(kernel_, record.knob);
  if (!current) {
    const bool absent = current.error().code == ErrorCode::not_found;
    if (record.in_force && is_removed(current, record.knob)) lose(record, receipt);
    if (absent && record.state == KnobState::absent) return;  // told already
    return fail(record, absent ? KnobState::absent : KnobState::failed, current.error().message,
                receipt);
  }
  if (!record.has_original) record.original = current.value();
  record.has_original = true;
  if (record.unanswered) learn(record, current.value(), receipt);
  if (!is_expected(record, current.value())) return yield(record, current.value(), receipt);
  const auto text = resolve_value(kernel_, record.knob, want.value, record.original);
  if (!text) {
    put_back(record, receipt);
    return fail(record, KnobState::failed, text.error().message, receipt);
  }
  record.wanted = text.value();
  if (record.wanted == record.refused) return;
  const bool stands = record.wanted == current.value() && !is_request(record);
  if (stands || record.wanted == record.written) {
    record.written = record.wanted;
    return set_state(record, KnobState::ours);
  }
  if (record.wanted == record.original && !is_request(record)) return put_back(record, receipt);
  const std::string kept =
      record.in_force ? std::string() : reason_to_keep(kernel_, record.knob, current.value());
  if (!kept.empty()) return fail(record, KnobState::failed, kept, receipt);
  if (twin_is_yielded(record)) {
    const std::string why(record.knob.kind->excludes);
    return fail(record, KnobState::failed, why + ", which it excludes, is somebody else's",
                receipt);
  }
  if (!writeback_allows(kernel_, record.knob, current.value(), record.wanted)) {
    return fail(record, KnobState::waiting, "put off: more memory is dirty than it would allow",
                receipt);
  }
  write(record, current.value(), record.wanted, receipt);
}

void KnobWriter::write(KnobRecord& record, const std::string& current, const std::string& text,
                       Receipt& receipt) {
  const std::string& name = record.knob.name;
  Guards guards;
  std::string seen;
  const Look look = prepare(record, current, &text, guards, seen, receipt);
  if (look == Look::gone) return lose(record, receipt);  // settles the intent as well
  if (look == Look::changed) {
    record.in_force = true;  // the intent is in the journal: the yield settles it
    return yield(record, seen, receipt);
  }
  if (look != Look::same) return fail(record, KnobState::failed, seen, receipt);
  const Status written = kernel_.write(record.knob.path, text);
  if (is_given_up(written)) {
    record.ours.push_back(text);
    record.unconfirmed = true;
    return leave_unanswered(record, current, guards, written.error(), receipt);
  }
  Change done = change(ChangeKind::written, record, current, text);
  const auto shown = read_normal(kernel_, record.knob);
  if (tells_of_removal(written, record.knob) || is_removed(shown, record.knob)) {
    record.in_force = true;  // as the intent says
    settle_guards(record, guards, receipt);
    return lose(record, receipt);
  }
  if (!written && shown && shown.value() == current) {
    note(journal_.append_abort(name));
    settle_guards(record, guards, receipt);
    put_back(record, receipt);  // what was wanted before it is wanted no more
    fail(record, KnobState::failed, written.error().message, receipt);
    if (is_final(written.error())) record.refused = text;
    return;
  }
  record.in_force = record.unconfirmed = true;
  record.ours.push_back(text);
  // Of several numbers a failed write may have changed the first ones.
  const bool in_part = !written && record.knob.kind->type == ValueType::text;
  if (shown && !in_part && shown.value() != current && !is_expected(record, shown.value())) {
    // Not what the kernel makes of our value: somebody wrote between the two calls.
    settle_guards(record, guards, receipt);
    record.written = text;
    return yield(record, shown.value(), receipt);
  }
  if (shown) {
    confirm(record, shown.value());
    done.to = shown.value();
  }
  settle_guards(record, guards, receipt);
  if (!written) return fail(record, KnobState::failed, written.error().message, receipt);
  record.written = text;
  record.refused.clear();
  record.unlanded = 0;
  record.since_us = clocks_.realtime_us();
  set_state(record, KnobState::ours);
  receipt.push_back(std::move(done));
}

void KnobWriter::leave_unanswered(KnobRecord& record, const std::string& current,
                                  const Guards& guards, const Error& error, Receipt& receipt) {
  record.in_force = record.unanswered = true;
  record.written.clear();
  leave_guards(record, current, guards);
  fail(record, KnobState::failed, error.message, receipt);
}

void KnobWriter::learn(KnobRecord& record, const std::string& current, Receipt& receipt) {
  record.unanswered = false;
  const bool foreign = current != record.original && !is_expected(record, current);
  settle_left_guards(record, foreign ? nullptr : &current, receipt);
  if (foreign) return;
  const bool was_written = record.unconfirmed && !record.ours.empty();
  const std::string text = was_written ? record.ours.back() : std::string();
  const bool landed =
      was_written && (text == current || may_be_rounded(*record.knob.kind, text, current));
  if (landed) record.written = text;
  const unsigned unlanded = landed || !was_written ? 0 : record.unlanded + 1;
  confirm(record, current);
  record.unlanded = unlanded;
  if (unlanded >= kMostUnlanded) {
    fail(record, KnobState::failed,
         "given up: " + std::to_string(unlanded) +
             " writes in a row did not return in time and changed nothing",
         receipt);
    record.refused = text;
  }
  if (landed && record.in_force) {
    receipt.push_back(change(ChangeKind::written, record, record.original, current));
  }
}

void KnobWriter::confirm(KnobRecord& record, const std::string& shown) {
  if (shown == record.original && !is_request(record)) return settle(record);
  note(journal_.append_confirm(record.knob.name, shown));
  record.ours = {shown};
  record.in_force = true;
  record.unconfirmed = record.guarded = record.unanswered = false;
  remember(record);
}

void KnobWriter::remember(const KnobRecord& record) {
  constexpr size_t kMost = 16;
  RecentValues& recent = recent_[record.knob.name];
  recent.original = record.original;
  for (const std::string& ours : record.ours) {
    const bool known = std::find(recent.ours.begin(), recent.ours.end(), ours) != recent.ours.end();
    if (!known && recent.ours.size() < kMost) recent.ours.push_back(ours);
  }
  recent.is_new = true;
}

void KnobWriter::forget_recent() {
  recent_.clear();
  for (const auto& [name, record] : records_) {
    if (!record.in_force) continue;
    remember(record);
    recent_[name].is_new = false;
  }
}

void KnobWriter::remember_original(const std::string& knob, const std::string& original) {
  const auto found = recent_.find(knob);
  if (found != recent_.end()) found->second.original = original;
}

void KnobWriter::settle(KnobRecord& record) {
  note(journal_.append_restored(record.knob.name));
  record.ours.clear();
  record.written.clear();
  record.refused.clear();
  record.moved_by.clear();
  record.in_force = record.unconfirmed = record.guarded = record.unanswered = false;
  record.unlanded = 0;
  set_state(record, KnobState::ours);
}

void KnobWriter::put_back(KnobRecord& record, Receipt& receipt) {
  renew(record, receipt);
  if (record.state == KnobState::yielded || !record.in_force) return;
  const auto current = read_normal(kernel_, record.knob);
  if (is_removed(current, record.knob)) return lose(record, receipt);
  if (!current) return fail(record, KnobState::failed, current.error().message, receipt);
  const bool foreign =
      current.value() != record.original &&
      !(is_expected(record, current.value()) && is_guest_of_ours(record, current.value()));
  if (record.unanswered) settle_left_guards(record, foreign ? nullptr : &current.value(), receipt);
  if (current.value() == record.original && !is_request(record)) {
    if (record.unanswered && !record.ours.empty()) {
      receipt.push_back(change(ChangeKind::restored, record, record.ours.back(), record.original));
    }
    return settle(record);
  }
  record.unanswered = false;
  if (twin_is_yielded(record) || foreign) return yield(record, current.value(), receipt);
  Guards guards;
  std::string seen;
  // Without a line in a full journal it still goes back: only a kill right here would tell.
  const Look look = prepare(record, current.value(), nullptr, guards, seen, receipt);
  if (look == Look::gone) return lose(record, receipt);
  if (look == Look::changed) return yield(record, seen, receipt);
  if (look != Look::same && twin_is_yielded(record)) return yield(record, current.value(), receipt);
  if (look != Look::same) return fail(record, KnobState::failed, seen, receipt);
  const Status status = write_original(record);
  if (is_given_up(status)) {
    record.guarded = record.guarded || record.knob.kind->restore == Restore::wbt_default;
    return leave_unanswered(record, current.value(), guards, status.error(), receipt);
  }
  const Change done = change(ChangeKind::restored, record, current.value(), record.original);
  const auto shown = read_normal(kernel_, record.knob);
  settle_guards(record, guards, receipt);
  if (tells_of_removal(status, record.knob) || is_removed(shown, record.knob)) {
    return lose(record, receipt);
  }
  const bool let_go = is_request(record) && status;
  if (!let_go && (!shown || shown.value() != record.original)) {
    if (status && shown && shown.value() != current.value() &&
        !may_be_rounded(*record.knob.kind, record.original, shown.value())) {
      return yield(record, shown.value(), receipt);  // somebody wrote between the two calls
    }
    if (shown) {
      confirm(record, shown.value());
    } else if (!is_expected(record, record.original)) {
      record.ours.push_back(record.original);  // where it is back unseen, nobody else did that
    }
    const KnobRecord* mover = find(record.moved_by);
    if (!status && is_final(status.error()) && mover != nullptr && mover->in_force) {
      record.refused = record.original;  // possible again when the mover is back
      return;
    }
    return fail(record, KnobState::failed,
                status ? "the kernel did not take its original value back" : status.error().message,
                receipt);
  }
  settle(record);
  record.since_us = clocks_.realtime_us();
  receipt.push_back(done);
  expect_guests(record);
  for (const auto& [name, other] : records_) {
    if (other.in_force && other.moved_by == record.knob.name) moved_.push_back(name);
  }
}

Status KnobWriter::write_original(const KnobRecord& record) {
  const auto twin = twin_of(record);
  if (twin && record.original == "0") {
    const KnobRecord* other = find(twin.value().name);
    if (other != nullptr && other->in_force && other->original != "0") {
      return kernel_.write(other->knob.path, other->original);
    }
    if (record.knob.kind->unit == "bytes") return write_zero(record, twin.value());
  }
  if (is_request(record)) return kernel_.write(record.knob.path, "");
  if (record.knob.kind->restore == Restore::wbt_default) {
    // Where the default shows the original it was, or might as well have been, the default.
    Status reset = kernel_.write(record.knob.path, "-1");
    if (!reset) return reset;
    const auto shown = read_normal(kernel_, record.knob);
    if (shown && shown.value() == record.original) return {};
  }
  return kernel_.write(record.knob.path, record.original);
}

Status KnobWriter::write_zero(const KnobRecord& record, const Knob& twin) {
  // Both were 0, and bytes takes no 0: only a change of the ratio brings that back.
  Status away = kernel_.write(twin.path, "1");
  if (!away) return away;
  const auto own = read_normal(kernel_, record.knob);
  const auto ratio = read_normal(kernel_, twin);
  if (!own || !ratio || own.value() != "0" || ratio.value() != "1") return {};  // theirs now
  return kernel_.write(twin.path, "0");
}

Result<Knob> KnobWriter::twin_of(const KnobRecord& record) const {
  return resolve_knob(kernel_, record.knob.kind->excludes);
}

bool KnobWriter::twin_is_yielded(const KnobRecord& record) {
  const auto twin = twin_of(record);
  const KnobRecord* other = twin ? find(twin.value().name) : nullptr;
  return other != nullptr && other->state == KnobState::yielded;
}

void KnobWriter::check(KnobRecord& record, Receipt& receipt, const std::string& writer) {
  if (is_gone(record)) return lose(record, receipt);
  if (record.state == KnobState::yielded && record.writer.empty()) record.writer = writer;
  if (record.state == KnobState::yielded || !record.has_original) return;
  if (changed_host(record) != nullptr) return;  // there is nothing of it to look at
  const auto current = read_normal(kernel_, record.knob);
  if (is_removed(current, record.knob)) return lose(record, receipt);
  if (!current) return fail(record, KnobState::failed, current.error().message, receipt);
  if (!is_expected(record, current.value())) yield(record, current.value(), receipt, writer);
}

void KnobWriter::refuse(KnobRecord& record, const Want& want, const std::string& why,
                        Receipt& receipt) {
  record.is_wanted = true;
  record.owner = want.owner;
  record.profile = want.profile;
  record.why = want.why;
  if (record.state == KnobState::yielded) return;
  if (record.moved_by.empty()) put_back(record, receipt);
  fail(record, KnobState::failed, why, receipt);
}

void KnobWriter::leave_moved(KnobRecord& record, const std::string& mover, Receipt& receipt) {
  record.wanted = record.original;
  fail(record, KnobState::failed, "not put back: " + mover + " is not back", receipt);
}

const std::string* find_writer(const Writers& writers, const KnobRecord& record) {
  auto writer = writers.find(record.knob.name);
  // Its twin's write zeroes a knob as well.
  if (writer == writers.end()) writer = writers.find(std::string(record.knob.kind->excludes));
  if (writer == writers.end()) writer = writers.find("");
  return writer != writers.end() ? &writer->second : nullptr;
}

bool KnobWriter::has_writer(const KnobRecord& record) const {
  if (record.state == KnobState::yielded && !record.writer.empty()) return true;
  const std::string* writer = find_writer(writers_, record);
  return writer != nullptr && !writer->empty();
}

void KnobWriter::yield(KnobRecord& record, const std::string& theirs, Receipt& receipt,
                       const std::string& told_writer) {
  const std::string* known = find_writer(writers_, record);
  record.writer = told_writer.empty() && known != nullptr ? *known : told_writer;
  settle_left_guards(record, nullptr, receipt);
  let_go_of_guests(record, receipt);
  if (record.in_force) note(journal_.append_yielded(record.knob.name));
  const std::string shown = record.ours.empty() ? record.original : record.ours.back();
  record.error = "somebody else changed it from " + shown + " to " + theirs;
  if (!record.writer.empty()) record.error += ": " + record.writer;
  record.gave_up = std::exchange(record.ours, {});
  record.written.clear();
  record.moved_by.clear();
  record.in_force = record.unconfirmed = record.guarded = record.unanswered = false;
  set_state(record, KnobState::yielded);
  receipt.push_back(change(ChangeKind::yielded, record, shown, theirs));
  receipt.back().writer = record.writer;
}

void KnobWriter::fail(KnobRecord& record, KnobState state, const std::string& why,
                      Receipt& receipt) {
  if (record.state == KnobState::yielded) return;
  if (!record.in_force) record.has_original = false;
  if (record.state == state && record.error == why) return;  // told already
  record.error = why;
  set_state(record, state);
  const ChangeKind kind = state == KnobState::absent    ? ChangeKind::absent
                          : state == KnobState::waiting ? ChangeKind::put_off
                                                        : ChangeKind::failed;
  receipt.push_back(change(kind, record, record.original, record.wanted));
}

}  // namespace tuneshift
