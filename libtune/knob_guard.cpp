// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/knob_guard.h"

#include "libtune/device_identity.h"
#include "libtune/knob_text.h"

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

Status KnobWriter::guard_moved(const KnobRecord& mover, Guards& guards, Receipt& receipt) {
  std::vector<std::string_view> moves = mover.knob.kind->moves;
  const std::string_view twin = mover.knob.kind->excludes;
  if (!twin.empty()) moves.push_back(twin);
  Status all_guarded;
  for (const std::string_view moved : moves) {
    const auto knob = resolve_knob(kernel_, moved_name(mover.knob, moved));
    if (!knob) continue;
    const auto identity = device_identity(kernel_, knob.value());
    const std::string device = identity ? identity.value() : std::string();
    const auto before = read_normal(kernel_, knob.value());
    if (!before) continue;  // not on this machine: nothing to move
    const std::string& name = knob.value().name;
    KnobRecord* record = find(name);
    if (record != nullptr && is_gone(*record)) lose(*record, receipt);
    if (record != nullptr && record->state == KnobState::ours && record->has_original &&
        !is_expected(*record, before.value())) {
      yield(*record, before.value(), receipt);
    }
    const bool ours = record != nullptr && record->in_force;
    const Status guarded =
        journal_.append_guard(name, ours ? record->original : before.value(), device);
    if (!guarded) all_guarded = guarded;
    guards.push_back({knob.value(), device, before.value(), moved == twin});
  }
  return all_guarded;
}

void KnobWriter::settle_guards(const KnobRecord& mover, const Guards& guards) {
  for (const Guard& guard : guards) settle_guard(mover, guard);
}

void KnobWriter::settle_guard(const KnobRecord& mover, const Guard& guard) {
  KnobRecord* known = find(guard.knob.name);
  const auto now = read_normal(kernel_, guard.knob);
  if (is_device_gone(kernel_, guard.knob, guard.device)) {
    // Gone with its device. Its own turn finds out, if it has one.
    (void)journal_.append_restored(guard.knob.name);
    return;
  }
  if (known != nullptr && known->state == KnobState::yielded) {
    // Theirs goes back at once. Where that fails the guard stays in the journal for a restore.
    const bool stands = now && now.value() == guard.before;
    if (stands || kernel_.write(guard.knob.path, guard.before)) {
      (void)journal_.append_restored(guard.knob.name);
    }
    return;
  }
  const bool was_ours = known != nullptr && known->in_force;
  if (now && now.value() == guard.before && !was_ours) {
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

void KnobWriter::leave_guards(const KnobRecord& mover, const Guards& guards) {
  for (const Guard& guard : guards) {
    const KnobRecord* known = find(guard.knob.name);
    if (known != nullptr && known->state == KnobState::yielded) continue;
    KnobRecord& moved = moved_record(mover, guard);
    moved.in_force = moved.guarded = moved.unanswered = true;
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
