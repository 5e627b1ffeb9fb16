// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/knob_backends.h"

#include "daemon/cpu_latency.h"
#include "daemon/device_mapper.h"
#include "daemon/systemd_units.h"

namespace tuneshift {

std::vector<KnobRouter::Route> knob_backends(const KernelFs& kernel,
                                             const BackendOptions& options) {
  SystemdUnits::Options units;
  units.traces = options.run_directory + "/units";
  units.allow_kubernetes = options.allow_kubernetes;
  std::vector<KnobRouter::Route> routes;
  routes.emplace_back("dev/cpu_dma_latency", std::make_unique<CpuLatency>());
  routes.emplace_back("device-mapper/", std::make_unique<DeviceMapper>(kernel));
  routes.emplace_back("systemd/", std::make_unique<SystemdUnits>(kernel, std::move(units)));
  return routes;
}

}  // namespace tuneshift
