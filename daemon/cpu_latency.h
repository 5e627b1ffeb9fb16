// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <mutex>
#include <string>

#include "daemon/knob_router.h"
#include "daemon/unique_fd.h"

namespace tuneshift {

/// Our request to PM QoS for the wake-up latency of idle CPUs, in µs: /dev/cpu_dma_latency
/// (kernel/power/qos.c, Documentation/power/pm_qos_interface). Every process may have one and the
/// kernel obeys the smallest, so there is nothing to overwrite and nothing to put back: a request
/// lasts while its descriptor is open, and ends with the process at the latest.
///
/// The knob is therefore our own request, not the smallest of all: another program that asks for
/// less changes what the kernel does, but takes nothing from us. It reads as "unset" while we ask
/// for nothing; writing "unset" or "" lets go.
class CpuLatency : public KnobBackend {
 public:
  /// `device` is a path, another one in tests.
  explicit CpuLatency(std::string device = "/dev/cpu_dma_latency") : device_(std::move(device)) {}

  /// not_found where the kernel has no such device.
  Result<std::string> read(std::string_view rest) override;

  /// invalid_argument for anything but 0 to 2000000000 (PM_QOS_CPU_LATENCY_DEFAULT_VALUE), "unset"
  /// and "".
  Status write(std::string_view rest, std::string_view value) override;

 private:
  Status request(int32_t microseconds);

  std::string device_;
  std::mutex mutex_;
  UniqueFd fd_;
  int32_t requested_ = 0;  ///< meaningless without `fd_`
};

}  // namespace tuneshift
