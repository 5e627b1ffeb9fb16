// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tuneshift {

/// A disk, a partition or a backing device that comes, goes or changes; an NVMe controller that
/// came up, after a reset too, or as the machine woke.
struct DeviceEvent {
  enum class Action {
    add,
    remove,
    change,
    move,      ///< renamed; `name` is the new one
    other,     ///< online, offline, bind, unbind; also an event that a person or udevadm(8) asked
               ///< the kernel to repeat: nothing has happened then
    overflow,  ///< some events were lost: anything may have happened; nothing else is set
  };
  enum class Subsystem { block, bdi, nvme };

  Action action = Action::overflow;
  Subsystem subsystem = Subsystem::block;
  std::string name;  ///< "nvme1n1", "nvme1n1p2", "259:3", "0:44", "btrfs-1", "nvme1"
  bool is_partition = false;

  bool operator==(const DeviceEvent&) const = default;
};

/// The event in a kernel uevent ("ACTION@DEVPATH" and KEY=VALUE fields, each ended by a zero byte;
/// lib/kobject_uevent.c). Nothing for other subsystems, for what else NVMe controllers tell, and
/// for text that no kernel sends.
std::optional<DeviceEvent> parse_uevent(std::string_view message);

}  // namespace tuneshift
