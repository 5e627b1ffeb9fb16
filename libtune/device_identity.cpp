// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/device_identity.h"

namespace tuneshift {

std::string device_identity(const KernelFs& kernel, const Knob& knob) {
  if (!is_of_device(knob.kind->target) || knob.path.size() <= knob.kind->name.size()) return {};
  // The path is the device's directory and the kind's name: "sys/block/vda" + "/queue/scheduler".
  const auto inode = kernel.inode(knob.path.substr(0, knob.path.size() - knob.kind->name.size()));
  return inode ? std::to_string(inode.value()) : std::string();
}

}  // namespace tuneshift
