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
class CpuLatency : public KnobBackend {
 public:
  /// `device` is a path, another one in tests.
  explicit CpuLatency(std::string device = "/dev/cpu_dma_latency") : device_(std::move(device)) {}

  /// What the kernel obeys: the smallest of all requests, 2000000000 when there are none. not_found
  /// where the kernel has no such device.
  Result<std::string> read(std::string_view rest) override;

  /// Asks for 0 to 2000000000 µs (PM_QOS_CPU_LATENCY_DEFAULT_VALUE), from then on; "" lets go.
  Status write(std::string_view rest, std::string_view value) override;

 private:
  Status request(int32_t microseconds);

  std::string device_;
  std::mutex mutex_;
  UniqueFd request_;
};

}  // namespace tuneshift
