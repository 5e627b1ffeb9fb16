// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/device_identity.h"

#include <algorithm>

#include "libtune/knob_text.h"

namespace tuneshift {

Result<std::string> device_identity(const KernelFs& kernel, const Knob& knob) {
  const Target target = knob.kind->target;
  if (!is_of_device(target)) return std::string();
  // The path is the device's directory and the kind's name: "sys/block/vda" + "/queue/scheduler". A
  // message to a dm device goes to no such path, but is named as its disk is.
  const std::string path = target == Target::device_mapper ? "sys/" + knob.name : knob.path;
  const size_t length = path.size() - std::min(path.size(), knob.kind->name.size());
  const auto inode = kernel.inode(path.substr(0, length));
  if (!inode) return inode.error();
  const std::string identity = std::to_string(inode.value());
  if (knob.kind->lives_with.empty()) return identity;
  const auto host = resolve_knob(kernel, host_name(knob));
  const auto shown = host ? read_normal(kernel, host.value()) : Result<std::string>(host.error());
  if (!shown) return shown.error();
  return identity + " " + shown.value();
}

bool is_device_gone(const KernelFs& kernel, const Knob& knob, const std::string& device) {
  if (device.empty()) return false;
  const auto now = device_identity(kernel, knob);
  return now ? now.value() != device : now.error().code == ErrorCode::not_found;
}

}  // namespace tuneshift
