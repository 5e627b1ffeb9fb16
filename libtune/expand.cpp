// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/expand.h"

#include <algorithm>
#include <set>

namespace tuneshift {

namespace {

using Names = std::set<std::string>;

/// One line of a profile on some stores.
class Expansion {
 public:
  Expansion(const ProfileEntry& entry, const std::vector<Store>& stores, const Machine& machine)
      : entry_(entry), stores_(stores), machine_(machine) {}

  Names names() {
    const bool machine_matches =
        std::all_of(entry_.matches.begin(), entry_.matches.end(),
                    [&](const auto& match) { return holds_for_machine(*match, machine_); });
    if (!machine_matches) return {};
    if (is_of_device(entry_.kind->target) || entry_.kind->target == Target::unit_disk) {
      for (const Store& store : stores_) add_of_store(store);
    } else if (holds_somewhere()) {
      add_machine_wide();
    }
    return std::move(names_);
  }

 private:
  void add(const std::string& device) {
    names_.insert(knob_name(*entry_.kind, {device, entry_.unit}));
  }

  void add_machine_wide() {
    if (entry_.kind->target != Target::cpu_policy) return add("");
    for (const std::string& policy : machine_.cpu_policies) add(policy);
  }

  void add_of_store(const Store& store) {
    if (!holds_for(store)) return;
    switch (entry_.kind->target) {
      case Target::disk:
      case Target::unit_disk:
        for (const std::string& disk : store.disks) {
          if (holds_for(disk)) add(disk);
        }
        break;
      case Target::read_ahead:
        // The file system's own: under dm and md not that of the leaves, of btrfs its bdi's.
        if (!store.disks.empty() && holds_for_all(store)) names_.insert(store.read_ahead_knob);
        break;
      case Target::bdi:
        if (store.disks.empty() && !store.bdi.empty()) add(store.bdi);
        break;
      case Target::fuse_connection:
        if (store.file_system.starts_with("fuse") && store.bdi.starts_with("0:")) {
          add(store.bdi.substr(2));
        }
        break;
      case Target::bcache:
        add_of_stack(store, "bcache");
        break;
      case Target::device_mapper:
        add_of_stack(store, "dm-");
        break;
      default:
        break;
    }
  }

  void add_of_stack(const Store& store, std::string_view driver) {
    if (!holds_for_all(store)) return;
    for (const std::string& device : store.stack) {
      if (device.starts_with(driver)) add(device);
    }
  }

  [[nodiscard]] bool holds_for(const std::string& disk) const {
    return std::all_of(entry_.matches.begin(), entry_.matches.end(),
                       [&](const auto& match) { return holds_for_disk(*match, machine_, disk); });
  }

  /// Its file system, and that it has disks where they are asked for.
  [[nodiscard]] bool holds_for(const Store& store) const {
    return std::all_of(entry_.matches.begin(), entry_.matches.end(), [&](const auto& match) {
      return holds_for_file_system(*match, store.file_system) &&
             (!asks_for_disk(*match) || !store.disks.empty());
    });
  }

  [[nodiscard]] bool holds_for_all(const Store& store) const {
    return std::all_of(store.disks.begin(), store.disks.end(),
                       [&](const std::string& disk) { return holds_for(disk); });
  }

  [[nodiscard]] bool holds_somewhere() const {
    const bool asks = std::any_of(
        entry_.matches.begin(), entry_.matches.end(),
        [](const auto& match) { return asks_for_disk(*match) || !match->file_system.empty(); });
    return !asks || std::any_of(stores_.begin(), stores_.end(), [&](const Store& store) {
      const bool some_disk = store.disks.empty() ||
                             std::any_of(store.disks.begin(), store.disks.end(),
                                         [&](const std::string& disk) { return holds_for(disk); });
      return holds_for(store) && some_disk;
    });
  }

  const ProfileEntry& entry_;
  const std::vector<Store>& stores_;
  const Machine& machine_;
  Names names_;
};

}  // namespace

std::map<std::string, const ProfileEntry*> expand(const Profile& profile,
                                                  const std::vector<Store>& stores,
                                                  const Machine& machine) {
  std::map<std::string, const ProfileEntry*> knobs;
  for (const ProfileEntry& entry : profile.entries) {
    for (const std::string& name : Expansion(entry, stores, machine).names()) {
      if (entry.drop) {
        knobs.erase(name);
      } else {
        knobs[name] = &entry;
      }
    }
  }
  return knobs;
}

}  // namespace tuneshift
