// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libtune/kernel_fs.h"
#include "libtune/result.h"

namespace tuneshift {

struct DeviceNumber {
  uint32_t major_number = 0;
  uint32_t minor_number = 0;

  auto operator<=>(const DeviceNumber&) const = default;
};

/// "254:0"; nothing for any other text.
std::optional<DeviceNumber> parse_device_number(std::string_view text);

/// "254:0".
std::string to_string(DeviceNumber number);

/// Whether a block device could have this name: never a path, "." or "..".
bool is_device_name(std::string_view name);

/// What follows the last slash, or all of it.
std::string last_part(std::string_view path);

/// The disk of a block device by its name: a partition's disk, any other device itself. Also for
/// a device that does not exist: a name alone cannot tell it from a disk.
std::string disk_of(const KernelFs& kernel, const std::string& name);

/// The same by device number; not_found when there is no such block device.
Result<std::string> disk_of(const KernelFs& kernel, DeviceNumber number);

}  // namespace tuneshift
