// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/knob_follower.h"

#include <algorithm>
#include <utility>

#include "libtune/device_identity.h"
#include "libtune/knob_text.h"

namespace tuneshift {

namespace {

/// The journal keeps a line that finds no room; it costs a right original only if this process is
/// killed before there is some.
void note(const Status& /*appended*/) {}

bool is_ours(const KnobRecord& record, const std::string& shown) {
  return record.in_force && KnobWriter::is_expected(record, shown);
}

}  // namespace

void KnobFollower::load(const JournalContents& contents) {
  for (const JournalCapture& capture : contents.captures) {
    captures_[capture.knob] = {capture.base, {capture.ours.begin(), capture.ours.end()}, true};
  }
  for (const JournalEntry& entry : contents.entries) {
    if (!entry.yielded || entry.gave_up.empty()) continue;
    captures_.try_emplace(
        entry.knob, Capture{entry.original, {entry.gave_up.begin(), entry.gave_up.end()}, false});
  }
}

Receipt KnobFollower::follow(const KeptValues& now, const std::optional<KeptValues>& at_death,
                             bool may_have_rolled_back) {
  Receipt receipt;
  if (at_death && !(may_have_rolled_back && has_rolled_back())) {
    look(*at_death, true, receipt);
    forget_all();
  }
  look(now, false, receipt);
  writer_.forget_recent();
  return receipt;
}

void KnobFollower::look(const KeptValues& now, bool at_death, Receipt& receipt) {
  std::set<std::string> names;
  for (const auto& [name, value] : now) names.insert(name);
  for (const auto& [name, kept] : kept_) names.insert(name);
  for (const auto& [name, capture] : captures_) names.insert(name);
  std::map<std::string, Kept> kept;
  for (const std::string& name : names) {
    if (at_death && is_seen(name, now)) continue;
    const auto knob = resolve_knob(kernel_, name);
    const auto shown = knob ? read_normal(kernel_, knob.value()) : Result<std::string>(Error{});
    if (shown) {
      Look look = look_at(knob.value(), shown.value());
      look.at_death = at_death;
      follow(look, now, kept, receipt);
    } else if (!knob || is_removed(shown, knob.value())) {
      release(name);  // the device has gone, and what tuned knew of it
    } else if (const auto last = kept_.find(name); last != kept_.end()) {
      kept.insert(*last);  // no answer now: as it was
    }
  }
  kept_ = std::move(kept);
}

bool KnobFollower::has_rolled_back() const {
  return std::any_of(kept_.begin(), kept_.end(), [this](const auto& entry) {
    const auto& [name, kept] = entry;
    if (!kept.seen || kept.value.empty() || is_conditional(kept.value)) return false;
    const auto knob = resolve_knob(kernel_, name);
    if (!knob || writer_.records().count(knob.value().name) > 0) return false;
    const auto shown = read_normal(kernel_, knob.value());
    return shown && !is_kept(*knob.value().kind, kept.value, shown.value());
  });
}

void KnobFollower::forget_all() {
  for (const auto& [knob, capture] : std::exchange(captures_, {})) {
    note(journal_.append_released(knob));
  }
  kept_.clear();
}

bool KnobFollower::is_seen(const std::string& name, const KeptValues& now) const {
  const auto before = kept_.find(name);
  const auto value = now.find(name);
  return before != kept_.end() && value != now.end() && before->second.seen &&
         before->second.value == value->second;
}

KnobFollower::Look KnobFollower::look_at(const Knob& knob, const std::string& shown) {
  const auto record = writer_.records().find(knob.name);
  const bool has_record = record != writer_.records().end() && record->second.has_original;
  const Capture* known = captured(knob);
  const auto before = kept_.find(knob.name);
  const bool was_applied = before != kept_.end() && before->second.seen;
  return {knob, shown, has_record ? &record->second : nullptr,
          was_applied || (known != nullptr && known->confirmed), false};
}

void KnobFollower::follow(const Look& look, const KeptValues& now,
                          std::map<std::string, Kept>& kept, Receipt& receipt) {
  const auto value = now.find(look.knob.name);
  if (value == now.end()) return on_released(look, receipt);
  Kept next{value->second, is_seen(look.knob.name, now)};
  if (on_kept(look, next, receipt)) next.seen = true;
  kept.emplace(look.knob.name, std::move(next));
}

bool KnobFollower::on_kept(const Look& look, const Kept& kept, Receipt& receipt) {
  const bool stands = look.record != nullptr && !look.record->in_force &&
                      look.record->state != KnobState::yielded &&
                      look.shown == look.record->original;
  if (look.record != nullptr && !stands && !is_ours(*look.record, look.shown)) {
    return on_kept_over_ours(look, kept, receipt);
  }
  if (kept.seen) return true;
  const bool untouched = look.record == nullptr || stands;
  return (untouched && confirm(look, kept.value, receipt)) || on_kept_unseen(look, kept, receipt);
}

bool KnobFollower::is_of_tuned(const Look& look, const Kept& kept) const {
  const KnobRecord& record = *look.record;
  if (!is_kept(*look.knob.kind, kept.value, look.shown)) return false;
  if (writer_.has_writer(record)) return false;  // the same value, from somebody else
  // What it computes may be anything: believed once, and not where it was yielded already.
  if (kept.value.empty()) return !kept.seen && record.state != KnobState::yielded;
  if (!is_conditional(kept.value)) return true;
  // Of the many values that meet a condition tuned leaves only those that it sets or rolls back to.
  const Capture* known = captured(look.knob);
  if (known != nullptr && (look.shown == known->base || known->ours.count(look.shown) > 0)) {
    return true;
  }
  if (look.shown == condition_met(kept.value, record.original)) return true;
  const bool was_ours = record.in_force || !record.gave_up.empty();
  return was_ours && is_kept(*look.knob.kind, kept.value.substr(1), look.shown);
}

bool KnobFollower::on_kept_over_ours(const Look& look, const Kept& kept, Receipt& receipt) {
  KnobRecord& record = *look.record;
  const std::string& value = kept.value;
  if (!is_of_tuned(look, kept)) {
    // In the middle of a switch, or somebody else's: not ours to touch until it is tuned's.
    writer_.check(record, receipt);
    if (look.at_death && !value.empty()) {
      // It died with this applied, and what shows now came later.
      const auto standing = hidden(look, value, record.original);
      if (standing || !is_conditional(value)) {
        record.original = standing.value_or(normal_text(*look.knob.kind, value));
      }
    }
    return false;
  }
  const Capture* known = captured(look.knob);
  std::string standing = look.shown;
  if (may_have_captured(look)) {
    const std::string base = known != nullptr ? known->base : record.original;
    if (is_conditional(value)) standing = condition_met(value, base);
    capture(look, record.in_force ? record.ours : record.gave_up, base, standing);
  }
  rebase(look, standing, "tuned set it", receipt);
  return true;
}

bool KnobFollower::on_kept_unseen(const Look& look, const Kept& kept, Receipt& receipt) {
  const auto recent = writer_.recent().find(look.knob.name);
  const Capture* known = captured(look.knob);
  const bool under_ours = look.record != nullptr && is_ours(*look.record, look.shown);
  // Ours, or what we put back since the last time: there tuned's value may have been, unseen.
  const bool put_back = recent != writer_.recent().end() && look.shown == recent->second.original;
  const bool left_ours = known != nullptr && known->ours.count(look.shown) > 0;
  if (!under_ours && !put_back && !left_ours) {
    return is_kept(*look.knob.kind, kept.value, look.shown);
  }
  const std::string original = under_ours ? look.record->original : look.shown;
  const auto standing = hidden(look, kept.value, original);
  if (!standing) {
    // Under ours nothing shows whether tuned has come by yet.
    return !under_ours && is_kept(*look.knob.kind, kept.value, look.shown);
  }
  if (*standing == original) return true;
  if (may_have_captured(look) && recent != writer_.recent().end()) {
    capture(look, recent->second.ours, original, *standing);
  } else if (known != nullptr) {
    capture(look, {}, known->base, *standing);
  }
  rebase(look, *standing, "tuned set it", receipt);
  return true;
}

std::optional<std::string> KnobFollower::hidden(const Look& look, const std::string& value,
                                                const std::string& original) const {
  std::set<std::string> ours;
  const auto recent = writer_.recent().find(look.knob.name);
  if (recent != writer_.recent().end()) {
    ours.insert(recent->second.ours.begin(), recent->second.ours.end());
  }
  const Capture* known = captured(look.knob);
  if (known != nullptr) ours.insert(known->ours.begin(), known->ours.end());
  if (!is_conditional(value)) {
    const std::string text = normal_text(*look.knob.kind, value);
    return ours.count(text) > 0 ? std::optional(text) : std::nullopt;
  }
  for (const std::string& one : ours) {
    if (condition_met(value, one) != one) continue;
    return condition_met(value, known != nullptr ? known->base : original);
  }
  return std::nullopt;
}

const KnobFollower::Capture* KnobFollower::captured(const Knob& knob) const {
  const auto found = captures_.find(knob.name);
  return found == captures_.end() ? nullptr : &found->second;
}

bool KnobFollower::may_have_captured(const Look& look) const {
  if (!look.was_kept || captured(look.knob) != nullptr) return true;
  // A condition that was met already: tuned captured nothing then, and does so only now.
  const auto before = kept_.find(look.knob.name);
  return before != kept_.end() && is_conditional(before->second.value);
}

void KnobFollower::on_released(const Look& look, Receipt& receipt) {
  const Capture* known = captured(look.knob);
  const auto kept = kept_.find(look.knob.name);
  const bool ours = look.record != nullptr && is_ours(*look.record, look.shown);
  const auto recent = writer_.recent().find(look.knob.name);
  const bool is_new = recent == writer_.recent().end() || recent->second.is_new;
  const bool proves = known != nullptr && known->confirmed && (known->sure || !ours || !is_new);
  if (proves && (ours || known->ours.count(look.shown) > 0)) {
    rebase(look, known->base, "tuned had taken ours for its original", receipt);
  } else if (kept != kept_.end() && look.record != nullptr && !writer_.has_writer(*look.record)) {
    // Shows ours all the same: what tuned put back is equal to it, if tuned had set the knob and
    // we have not written since.
    const bool had_set = !kept->second.value.empty() && !is_conditional(kept->second.value) &&
                         is_kept(*look.knob.kind, kept->second.value, look.record->original) &&
                         !is_new;
    if (!ours || had_set) rebase(look, look.shown, "tuned let go of it", receipt);
  }
  release(look.knob.name);
}

void KnobFollower::capture(const Look& look, const std::vector<std::string>& ours,
                           const std::string& base, const std::string& standing) {
  const std::string& knob = look.knob.name;
  const auto [found, fresh] = captures_.try_emplace(knob);
  Capture& capture = found->second;
  if (fresh) {
    capture.base = base;
    capture.sure = !look.was_kept;
  }
  std::set<std::string> texts(ours.begin(), ours.end());
  // Put back by us after tuned had let go, unnoticed, it is not what tuned found either.
  if (capture.sure) texts.insert(standing);
  texts.erase(capture.base);
  for (const std::string& text : texts) {
    if (capture.ours.insert(text).second) {
      note(journal_.append_captured(knob, text, capture.base));
    }
  }
  if (capture.ours.empty()) captures_.erase(found);
}

bool KnobFollower::confirm(const Look& look, const std::string& value, Receipt& receipt) {
  const auto found = captures_.find(look.knob.name);
  const bool unsure = found != captures_.end() && !found->second.confirmed;
  const bool applied = is_kept(*look.knob.kind, value, look.shown);
  if (unsure) {
    // What an earlier process gave up, to tuned if it is tuned's value that stands there now.
    const Capture given_up = std::move(found->second);
    captures_.erase(found);
    if (!applied) return false;
    capture(look, {given_up.ours.begin(), given_up.ours.end()}, given_up.base, look.shown);
    return true;
  }
  const auto recent = writer_.recent().find(look.knob.name);
  if (!applied || recent == writer_.recent().end()) return false;
  const std::string& base =
      look.record != nullptr ? look.record->original : recent->second.original;
  const bool is_back = look.shown == recent->second.original;
  if (is_conditional(value) && !is_back && look.shown != value.substr(1)) return false;
  const std::string standing = is_conditional(value) ? condition_met(value, base) : look.shown;
  if (may_have_captured(look)) capture(look, recent->second.ours, base, standing);
  writer_.remember_original(look.knob.name, standing);
  if (standing != look.shown) rebase(look, standing, "tuned set it", receipt);
  return true;
}

void KnobFollower::release(const std::string& knob) {
  if (captures_.erase(knob) > 0) note(journal_.append_released(knob));
}

void KnobFollower::rebase(const Look& look, const std::string& original, const std::string& why,
                          Receipt& receipt) {
  const std::string before = look.record != nullptr ? look.record->original : look.shown;
  if (look.shown == original) {
    settle(look);
  } else {
    adopt(look, original);
  }
  if (before == original) return;
  Change change{ChangeKind::rebased,   look.knob.name, before, original, "", "", why,
                clocks_.monotonic_ns()};
  if (look.record != nullptr) {
    change.owner = look.record->owner;
    change.profile = look.record->profile;
  }
  receipt.push_back(std::move(change));
}

std::string KnobFollower::identity_of(const Knob& knob) const {
  auto identity = device_identity(kernel_, knob);
  return identity ? std::move(identity).value() : std::string();
}

void KnobFollower::settle(const Look& look) {
  note(journal_.append_restored(look.knob.name));
  if (look.record == nullptr) return;
  KnobRecord fresh;
  fresh.knob = look.knob;
  fresh.device = identity_of(look.knob);
  fresh.original = look.shown;
  fresh.has_original = true;
  fresh.is_wanted = look.record->is_wanted;
  fresh.owner = look.record->owner;
  fresh.profile = look.record->profile;
  fresh.why = look.record->why;
  fresh.since_us = clocks_.realtime_us();
  *look.record = std::move(fresh);
}

void KnobFollower::adopt(const Look& look, const std::string& original) {
  const std::string& name = look.knob.name;
  if (look.record != nullptr && is_ours(*look.record, look.shown)) {
    note(journal_.append_rebased(name, original));
    look.record->original = original;
    look.record->refused.clear();
    return;
  }
  settle(look);
  const std::string device = identity_of(look.knob);
  const Status opened = journal_.append_intent(name, original, look.shown, device);
  if (opened) note(journal_.append_confirm(name, look.shown));
  KnobRecord& record = writer_.record(look.knob);
  record.device = device;
  record.original = original;
  record.has_original = true;
  record.ours = {look.shown};
  record.in_force = true;
  record.why = "left by tuned";
}

}  // namespace tuneshift
