// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <functional>
#include <vector>

#include "daemon/loop.h"
#include "libtune/device_event.h"

namespace tuneshift {

/// Tells when a disk or a backing device (a mount of FUSE, NFS, …, in any mount namespace) comes
/// or goes: kernel uevents of the subsystems block and bdi.
class DeviceWatch {
 public:
  /// Gets the events that waited together, in their order.
  using Handler = std::function<void(const std::vector<DeviceEvent>&)>;

  DeviceWatch(Loop& loop, Handler handler);
  DeviceWatch(const DeviceWatch&) = delete;
  DeviceWatch& operator=(const DeviceWatch&) = delete;
  ~DeviceWatch();

  /// False where uevents cannot be had (no permission, another network namespace's socket limit).
  [[nodiscard]] bool works() const { return fd_ >= 0; }

 private:
  void read_uevents();

  Handler handler_;
  int fd_ = -1;
  Source source_;
};

}  // namespace tuneshift
