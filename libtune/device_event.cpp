// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/device_event.h"

#include <algorithm>

namespace tuneshift {

namespace {

constexpr size_t kLargestMessage = 8192;  // UEVENT_BUFFER_SIZE is 2048
constexpr size_t kLongestName = 63;

/// The value of a field; empty when there is none.
std::string_view field_of(std::string_view message, std::string_view key) {
  while (!message.empty()) {
    std::string_view field = message.substr(0, message.find('\0'));
    message.remove_prefix(std::min(field.size() + 1, message.size()));
    if (field.size() > key.size() && field[key.size()] == '=' && field.starts_with(key)) {
      return field.substr(key.size() + 1);
    }
  }
  return {};
}

DeviceEvent::Action action_of(std::string_view message) {
  using Action = DeviceEvent::Action;
  const std::string_view action = field_of(message, "ACTION");
  // Written to a device's "uevent" file: the device is as it was.
  if (!field_of(message, "SYNTH_UUID").empty()) return Action::other;
  if (action == "add") return Action::add;
  if (action == "remove") return Action::remove;
  if (action == "change") return Action::change;
  return action == "move" ? Action::move : Action::other;
}

std::optional<DeviceEvent::Subsystem> subsystem_of(std::string_view name) {
  using Subsystem = DeviceEvent::Subsystem;
  if (name == "block") return Subsystem::block;
  if (name == "bdi") return Subsystem::bdi;
  if (name == "nvme") return Subsystem::nvme;
  return std::nullopt;
}

/// A name of the kernel's: "cciss!c0d0", "0:44", "btrfs-1"; never a path.
bool is_name(std::string_view name) {
  if (name.empty() || name.size() > kLongestName || name.front() == '.') return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("._-!+@:").find(c) != std::string_view::npos;
  });
}

}  // namespace

std::optional<DeviceEvent> parse_uevent(std::string_view message) {
  if (message.size() > kLargestMessage) return std::nullopt;
  const std::string_view subsystem = field_of(message, "SUBSYSTEM");
  const std::string_view path = field_of(message, "DEVPATH");
  const std::string_view name = path.substr(path.rfind('/') + 1);  // npos + 1 is 0
  const auto kind = subsystem_of(subsystem);
  if (!kind || field_of(message, "ACTION").empty() || !is_name(name)) return std::nullopt;
  const DeviceEvent::Action action = action_of(message);
  // drivers/nvme/host/core.c, nvme_start_ctrl()
  const bool is_up =
      action == DeviceEvent::Action::change && field_of(message, "NVME_EVENT") == "connected";
  if (kind == DeviceEvent::Subsystem::nvme && !is_up) return std::nullopt;
  return DeviceEvent{action, *kind, std::string(name), field_of(message, "DEVTYPE") == "partition"};
}

}  // namespace tuneshift
