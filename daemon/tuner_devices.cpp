// SPDX-License-Identifier: LGPL-2.1-or-later
// The tuner's part in the life of devices: what is gone is forgotten, what has come is taken in.
#include <algorithm>

#include "daemon/tuner.h"

namespace tuneshift {

namespace {

// A mount's first request and udev's rules set a new device up: what they write is its original,
// and nobody else's change.
constexpr uint64_t setup_ns = 1'000'000'000;
// Of a hot-plugged disk the read-ahead was seen to be the kernel's own again within two
// (NVMe, 6.1).
constexpr uint64_t disk_setup_ns = 4'000'000'000;
// Before anything else that would take it for somebody's; the last look is at the end of the
// set-up.
constexpr uint64_t first_reset_look_ns = 200'000'000;
constexpr size_t most_settling = 1024;

std::string knobs_of(const DeviceEvent& event) {
  return (event.subsystem == DeviceEvent::Subsystem::bdi ? "bdi/" : "block/") + event.name + "/";
}

}  // namespace

void Tuner::on_devices(const std::vector<DeviceEvent>& events) {
  using Action = DeviceEvent::Action;
  bool any_gone = false;
  stores_.clear();
  storeless_ns_.clear();
  machine_is_old_ = true;
  for (const DeviceEvent& event : events) {
    if (event.is_partition) continue;
    // The kernel looks at its disks now, and they have its own read-ahead then.
    if (event.subsystem == DeviceEvent::Subsystem::nvme) {
      const uint64_t now_ns = monotonic_ns();
      // Of several that come up one after the other the first; a look may have been faster.
      if (now_ns >= reset_until_ns_) reset_since_us_ = realtime_us() - first_reset_look_ns / 1000;
      reset_until_ns_ = now_ns + disk_setup_ns;
      reset_timer_.set(now_ns + first_reset_look_ns);
      continue;
    }
    if (event.action == Action::overflow) apply_anew_ = any_gone = true;
    if (event.action == Action::remove) {
      forget(event);
      any_gone = true;
    }
    const bool is_new =
        event.action == Action::add && event.subsystem == DeviceEvent::Subsystem::bdi;
    if (is_new && settling_.size() < most_settling) {
      // A number without a major one is a mount's: what has no disk.
      const bool is_mount = event.name.starts_with("0:");
      settling_[event.name] = monotonic_ns() + (is_mount ? setup_ns : disk_setup_ns);
    }
  }
  if (any_gone) {
    // Before anything that the reconcile below asks for: a new device may have the name already.
    writer_.submit([this](Applier& applier) {
      return [this, receipt = applier.forget_gone()] { on_receipt(receipt); };
    });
  }
  look_up_held();
  // Nobody asks for anything, and nothing of ours is in force: not worth a look at all devices.
  if (!policy_.active_profiles().empty() || !submitted_.empty()) reconcile();
}

void Tuner::take_back_resets() {
  if (monotonic_ns() < reset_until_ns_) reset_timer_.set(reset_until_ns_);
  if (submitted_.empty()) return;
  writer_.submit([this, since_us = reset_since_us_](Applier& applier) {
    // Also what another look has found, and yielded, since then.
    const std::vector<std::string> knobs = applier.reset_by_kernel(since_us);
    Writers writers;
    for (const std::string& knob : knobs) writers[knob] = "the kernel (the disk came up again)";
    Receipt receipt;
    if (!knobs.empty()) receipt = applier.verify(writers);
    for (const std::string& knob : knobs) static_cast<void>(applier.rearm(knob));
    return [this, knobs, receipt = std::move(receipt)] {
      if (knobs.empty()) return;
      on_receipt(receipt);
      for (const std::string& knob : knobs) yields_.erase(knob);
      apply_anew_ = true;
      reconcile();
    };
  });
}

void Tuner::forget(const DeviceEvent& removed) {
  const std::string knobs = knobs_of(removed);
  const auto of_device = [&](const auto& entry) { return entry.first.starts_with(knobs); };
  std::erase_if(submitted_, of_device);
  std::erase_if(yields_, of_device);
  std::erase_if(would_, of_device);
  if (removed.subsystem != DeviceEvent::Subsystem::bdi) return;
  settling_.erase(removed.name);
  policy_.drop_store(removed.name);
}

void Tuner::look_up_held() {
  const std::vector<Mount> mounts = read_host_mounts(kernel_);
  policy_.look_up([&](const std::vector<std::string>& names) {
    std::vector<Store> stores;
    for (const std::string& name : names) {
      auto store = find_store_by_name(kernel_, name, mounts);
      if (!store.ok() || settling_.contains(store.value().bdi)) continue;
      stores.push_back(std::move(store).value());
    }
    return stores;
  });
}

Machine Tuner::settled_machine() {
  const uint64_t now_ns = monotonic_ns();
  const bool any = !settling_.empty();
  // A number comes before its mount, which tells what it is.
  if (std::erase_if(settling_, [now_ns](const auto& entry) { return entry.second <= now_ns; }) >
      0) {
    machine_is_old_ = true;
  }
  // Also where a hold names them.
  if (any) look_up_held();
  Machine settled = machine();
  std::erase_if(settled.stores,
                [this](const Store& store) { return settling_.contains(store.bdi); });
  const auto next = std::min_element(
      settling_.begin(), settling_.end(),
      [](const auto& one, const auto& other) { return one.second < other.second; });
  if (next != settling_.end()) settled_timer_.set(next->second);
  return settled;
}

}  // namespace tuneshift
