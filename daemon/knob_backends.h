// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <vector>

#include "daemon/knob_router.h"

namespace tuneshift {

struct BackendOptions {
  std::string run_directory;  ///< must exist before anything is written
  bool allow_kubernetes = false;
};

/// What answers for all knobs of the catalogue that are no plain files:
/// "dev/cpu_dma_latency" (CpuLatency), "device-mapper/…" (DeviceMapper), "systemd/…"
/// (SystemdUnits). `kernel` must outlive them.
std::vector<KnobRouter::Route> knob_backends(const KernelFs& kernel, const BackendOptions& options);

}  // namespace tuneshift
