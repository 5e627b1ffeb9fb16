// SPDX-License-Identifier: LGPL-2.1-or-later
// What a write moves besides its own knob.
#include "libtune/knob_writer.h"

#include <algorithm>

#include "libtune/device_identity.h"
#include "libtune/knob_text.h"
#include "libtune/number.h"

namespace tuneshift {

namespace {

/// The name of a knob in KnobInfo::moves of `mover`: of the same device, or of the machine.
std::string moved_name(const Knob& mover, std::string_view moved) {
  if (find_kind(mover.kind->family, moved) == nullptr) return std::string(moved);
  return mover.name.substr(0, mover.name.size() - mover.kind->name.size()) + std::string(moved);
}

bool shows_original(const KernelFs& kernel, const KnobRecord& record) {
  const auto now = read_normal(kernel, record.knob);
  return now && now.value() == record.original;
}

}  // namespace

Result<KnobWriter::Guards> KnobWriter::find_guards(const KnobRecord& mover,
                                                   const std::string& current, Receipt& receipt) {
  Guards guards;
  std::vector<std::string_view> moves = mover.knob.kind->moves;
  const std::string_view twin = mover.knob.kind->excludes;
  if (!twin.empty()) moves.push_back(twin);
  for (const std::string_view moved : moves) {
    const auto knob = resolve_knob(kernel_, moved_name(mover.knob, moved));
    if (!knob) continue;
    const bool is_guest = host_name(knob.value()) == mover.knob.name;
    // What lives with a value of ours goes with it; what lived with theirs waits already.
    const KnobRecord* host = find(host_name(knob.value()));
    if (host != nullptr && host->in_force) continue;
    const auto before = read_normal(kernel_, knob.value());
    if (!before && before.error().code == ErrorCode::not_found) continue;  // nothing to move
    if (!before) return before.error();
    const auto identity = device_identity(kernel_, knob.value());
    KnobRecord* record = find(knob.value().name);
    if (record != nullptr && is_gone(*record)) lose(*record, receipt);
    if (record != nullptr && record->state != KnobState::yielded && record->has_original &&
        !is_expected(*record, before.value())) {
      yield(*record, before.value(), receipt);
    }
    // Both at once are never set: what stands beside our 0 is somebody else's, whatever became of
    // the record that said so.
    const bool is_theirs = moved == twin && mover.in_force && current == "0" &&
                           before.value() != "0" && (record == nullptr || !record->in_force);
    if (is_theirs) yield(this->record(knob.value()), before.value(), receipt);
    guards.push_back({knob.value(), identity ? identity.value() : std::string(), before.value(),
                      moved == twin, is_guest});
  }
  return guards;
}

Status KnobWriter::journal_guards(const Guards& guards) {
  Status all;
  for (const Guard& guard : guards) {
    const KnobRecord* record = find(guard.knob.name);
    const bool ours = record != nullptr && record->in_force;
    const Status guarded = journal_.append_guard(
        guard.knob.name, ours ? record->original : guard.before, guard.device);
    if (!guarded) all = guarded;
  }
  return all;
}

KnobWriter::Look KnobWriter::look_again(const KnobRecord& record, const std::string& current,
                                        const Guards& guards, std::string& seen) {
  for (const Guard& guard : guards) {
    const auto now = read_normal(kernel_, guard.knob);
    if (!now || now.value() != guard.before) return Look::guard_changed;
  }
  const auto now = read_normal(kernel_, record.knob);
  if (is_removed(now, record.knob) || is_gone(record)) return Look::gone;
  seen = now ? now.value() : now.error().message;
  if (!now) return Look::unprepared;
  return seen == current || is_request(record) ? Look::same : Look::changed;
}

KnobWriter::Look KnobWriter::prepare(KnobRecord& record, const std::string& current,
                                     const std::string* text, Guards& guards, std::string& seen,
                                     Receipt& receipt) {
  // Each time somebody else changed what the write may move; nobody does so for long.
  constexpr int kAttempts = 3;
  const std::string& name = record.knob.name;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    auto found = find_guards(record, current, receipt);
    seen = found ? std::string(record.knob.kind->excludes) + ", which it excludes, is theirs"
                 : found.error().message;
    if (!found || twin_is_yielded(record)) return Look::unprepared;
    guards = std::move(found).value();
    Status journalled = journal_guards(guards);
    if (text != nullptr && journalled) {
      journalled = journal_.append_intent(name, record.original, *text, record.device);
    }
    // Between the two writes that this one takes it shows neither value.
    const bool takes_two = text == nullptr && record.knob.kind->restore == Restore::wbt_default;
    if (takes_two) (void)journal_.append_guard(name, record.original, record.device);
    Look look = Look::unprepared;
    if (journalled || text == nullptr) {
      look = look_again(record, current, guards, seen);
    } else {
      seen = journalled.error().message;
    }
    if (look == Look::same) return look;
    release_guards(guards);
    if (look == Look::changed || look == Look::gone) return look;
    if (text != nullptr && journalled) (void)journal_.append_abort(name);
    if (takes_two) confirm(record, current);
    if (look == Look::unprepared) return look;
  }
  seen = "somebody else keeps changing what a write to it moves";
  return Look::unprepared;
}

void KnobWriter::release_guards(const Guards& guards) {
  for (const Guard& guard : guards) {
    KnobRecord* known = find(guard.knob.name);
    if (known != nullptr && known->in_force) {
      confirm(*known, guard.before);
    } else {
      (void)journal_.append_restored(guard.knob.name);
    }
  }
}

void KnobWriter::settle_guards(const KnobRecord& mover, const Guards& guards, Receipt& receipt) {
  for (const Guard& guard : guards) settle_guard(mover, guard, receipt);
}

void KnobWriter::settle_guard(const KnobRecord& mover, const Guard& guard, Receipt& receipt) {
  KnobRecord* known = find(guard.knob.name);
  if (guard.is_guest && mover.in_force && !shows_original(kernel_, mover)) {
    // Also somebody else's number goes with the scheduler, and comes back with it.
    if (known != nullptr && known->state == KnobState::yielded) {
      known->has_original = false;
      set_state(*known, KnobState::ours);
    }
    KnobRecord& guest = moved_record(mover, guard);
    guest.in_force = guest.guarded = true;
    return;
  }
  const auto now = read_normal(kernel_, guard.knob);
  if (is_device_gone(kernel_, guard.knob, guard.device)) {
    // Gone with its device. Its own turn finds out, if it has one.
    (void)journal_.append_restored(guard.knob.name);
    return;
  }
  const bool was_ours = known != nullptr && known->in_force;
  const std::string& original = was_ours ? known->original : guard.before;
  // Of a pair that excludes each other our write leads to 0, or to what the other was.
  const bool theirs = guard.excluded && now && now.value() != "0" && now.value() != guard.before &&
                      now.value() != original;
  if (theirs && was_ours) return yield(*known, now.value(), receipt);
  if (known != nullptr && known->state == KnobState::yielded) {
    // Theirs goes back at once. Where that fails the guard stays in the journal for a restore.
    const bool stands = theirs || (now && now.value() == guard.before);
    if (stands || kernel_.write(guard.knob.path, guard.before)) {
      (void)journal_.append_restored(guard.knob.name);
    }
    return;
  }
  if ((theirs || (now && now.value() == guard.before)) && !was_ours) {
    (void)journal_.append_restored(guard.knob.name);
    return;
  }
  if (now && now.value() == guard.before) return confirm(*known, now.value());
  // A pair has one value: where the mover's is back, the other shows what belongs to it.
  if (guard.excluded && !was_ours && shows_original(kernel_, mover)) {
    (void)journal_.append_restored(guard.knob.name);
    return;
  }
  KnobRecord& moved = moved_record(mover, guard);
  if (now) {
    moved.wanted = now.value();
    confirm(moved, now.value());
  } else {
    moved.in_force = moved.guarded = true;
  }
  if (!guard.excluded) moved_.push_back(guard.knob.name);
}

void KnobWriter::leave_guards(const KnobRecord& mover, const std::string& current,
                              const Guards& guards) {
  Guards theirs;
  for (const Guard& guard : guards) {
    const KnobRecord* known = find(guard.knob.name);
    if (known != nullptr && known->state == KnobState::yielded) {
      theirs.push_back(guard);
      continue;
    }
    KnobRecord& moved = moved_record(mover, guard);
    moved.in_force = moved.guarded = moved.unanswered = true;
  }
  if (!theirs.empty()) left_[mover.knob.name] = {current, std::move(theirs)};
}

void KnobWriter::settle_left_guards(const KnobRecord& mover, const std::string* current,
                                    Receipt& receipt) {
  const auto found = left_.find(mover.knob.name);
  if (found == left_.end()) return;
  const LeftGuards left = std::move(found->second);
  left_.erase(found);
  const bool landed = current != nullptr && *current != left.mover_showed;
  for (const Guard& guard : left.guards) {
    const KnobRecord* known = find(guard.knob.name);
    if (known != nullptr && known->in_force) continue;  // taken since: its intent says more
    if (landed && known != nullptr && known->state == KnobState::yielded) {
      settle_guard(mover, guard, receipt);
    } else {
      // Where nothing landed the kernel moved nothing: what it shows is its owner's.
      (void)journal_.append_restored(guard.knob.name);
    }
  }
}

const KnobRecord* KnobWriter::changed_host(const KnobRecord& record) const {
  const auto host = records_.find(host_name(record.knob));
  return host != records_.end() && host->second.in_force ? &host->second : nullptr;
}

bool KnobWriter::is_guest_of_ours(const KnobRecord& record, const std::string& current) const {
  const KnobInfo& kind = *record.knob.kind;
  if (kind.lives_with.empty() || !record.guarded) return true;
  if (!kind.fresh.empty()) return current == kind.fresh;
  // block/mq-deadline.c, dd_depth_updated(): of the queue's requests three quarters, later all.
  const auto requests = resolve_knob(kernel_, moved_name(record.knob, "queue/nr_requests"));
  const auto shown = requests ? read_normal(kernel_, requests.value()) : requests.error();
  const auto number = shown ? parse_integer(shown.value()) : std::nullopt;
  return number && (current == std::to_string(*number) ||
                    current == std::to_string(std::max<int64_t>(1, 3 * *number / 4)));
}

void KnobWriter::expect_guests(const KnobRecord& host) {
  for (auto& [name, record] : records_) {
    if (!record.in_force || host_name(record.knob) != host.knob.name) continue;
    const auto now = read_normal(kernel_, record.knob);
    if (now) confirm(record, now.value());
  }
}

void KnobWriter::let_go_of_guests(const KnobRecord& host, Receipt& receipt) {
  for (auto& [name, record] : records_) {
    if (record.in_force && host_name(record.knob) == host.knob.name) lose(record, receipt);
  }
}

KnobRecord& KnobWriter::moved_record(const KnobRecord& mover, const Guard& guard) {
  KnobRecord& moved = record(guard.knob);
  if (!moved.has_original) {
    moved.device = guard.device;
    moved.original = guard.before;
    moved.has_original = true;
    moved.owner = mover.owner;
    moved.profile = mover.profile;
    moved.why = "moved by " + mover.knob.name;
  }
  moved.written.clear();
  moved.moved_by = mover.knob.name;
  return moved;
}

}  // namespace tuneshift
