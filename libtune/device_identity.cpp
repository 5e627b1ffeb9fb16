// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/device_identity.h"

#include <algorithm>

namespace tuneshift {

Result<std::string> device_identity(const KernelFs& kernel, const Knob& knob) {
  const Target target = knob.kind->target;
  // A message to a dm device goes to no directory of its own.
  if (!is_of_device(target) || target == Target::device_mapper) return std::string();
  // The path is the device's directory and the kind's name: "sys/block/vda" + "/queue/scheduler".
  const size_t length = knob.path.size() - std::min(knob.path.size(), knob.kind->name.size());
  const auto inode = kernel.inode(knob.path.substr(0, length));
  if (!inode) return inode.error();
  return std::to_string(inode.value());
}

bool is_device_gone(const KernelFs& kernel, const Knob& knob, const std::string& device) {
  if (device.empty()) return false;
  const auto now = device_identity(kernel, knob);
  return now ? now.value() != device : now.error().code == ErrorCode::not_found;
}

}  // namespace tuneshift
