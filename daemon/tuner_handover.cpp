// SPDX-License-Identifier: LGPL-2.1-or-later
// What one daemon leaves to the next in the same process: docs/architecture.md, "Upgrades".
#include "daemon/tuner.h"

namespace tuneshift {

namespace {

// The probes are there within a second, and a load that misses pages is known by its next.
constexpr uint64_t found_again_ns = 10'000'000'000;

}  // namespace

void Tuner::hand_over(Handover& handover) {
  handover.mode = policy_.mode();
  handover.configured_mode = config_.mode;
  handover.mode_before_pause = mode_before_pause_;
  handover.pause_until_ns = pausing_ ? pause_until_ns_ : 0;
  handover.switched_profile = switched_profile_;
  for (const auto& [process, lease] : leases_.servers()) {
    const Lease* known = policy_.lease(lease);
    if (known != nullptr) handover.processes.push_back({process, false, known->stores});
  }
  for (const auto& [id, view] : book_.all()) {
    const Load* load = view.finished_us == 0 ? detector_.load(id) : nullptr;
    if (load == nullptr) continue;
    for (const LoadReader& one : load->readers) {
      handover.processes.push_back({one.reader.process, true, {store_of(one.reader)}});
    }
  }
  for (const auto& [process, lease] : inherited_loads_) {
    const Lease* known = policy_.lease(lease);
    if (known != nullptr) handover.processes.push_back({process, true, known->stores});
  }
  handover.yields = yields_;
}

void Tuner::take_over(const Handover& handover) {
  taking_over_ = true;
  if (handover.configured_mode == config_.mode) {
    policy_.set_mode(handover.mode);
    mode_before_pause_ = handover.mode_before_pause;
    pausing_ = handover.pause_until_ns != 0;
    pause_until_ns_ = handover.pause_until_ns;
    if (pausing_) pause_end_.set(pause_until_ns_);
  }
  yields_ = handover.yields;
  if (!handover.switched_profile.empty()) {
    auto switched = switch_profile(handover.switched_profile, "the daemon before this one");
    if (!switched.ok()) recorder_.warn("the switch ends: " + switched.error().message);
  }
  for (const Handover::Process& process : handover.processes) {
    if (!processes_.add(process.id).ok()) continue;
    if (!process.loads) {
      leases_.take_over(process.id, process.stores);
      continue;
    }
    uint64_t& lease_id = inherited_loads_[process.id];
    for (const Store& store : process.stores) policy_.extend(lease_id, store);
    if (lease_id != 0) continue;
    Lease lease;
    lease.kind = LeaseKind::load;
    lease.profile = config_.loading_profile;
    lease.owner = "load of process " + std::to_string(process.id.pid);
    lease.reason = "loads a model";
    lease.stores = process.stores;
    lease_id = policy_.add(std::move(lease));
  }
  if (!inherited_loads_.empty()) inherited_timer_.set(monotonic_ns() + found_again_ns);
}

void Tuner::taken_over() {
  taking_over_ = false;
  apply_anew_ = true;
  reconcile();
  tell_state();
}

void Tuner::end_inherited_load(const ProcessId& process) {
  const auto found = inherited_loads_.find(process);
  if (found == inherited_loads_.end()) return;
  policy_.remove(found->second);
  inherited_loads_.erase(found);
}

void Tuner::settle_inherited_loads() {
  for (const auto& [process, lease] : inherited_loads_) {
    const Lease* known = policy_.lease(lease);
    // Its watch may have ended with a reader of it that was no load's.
    const bool lives = processes_.add(process).ok();
    if (known != nullptr && lives) leases_.take_over(process, known->stores);
    policy_.remove(lease);
  }
  inherited_loads_.clear();
  reconcile();
  tell_state();
}

}  // namespace tuneshift
