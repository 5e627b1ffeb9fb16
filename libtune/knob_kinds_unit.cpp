// SPDX-License-Identifier: LGPL-2.1-or-later
#include <limits>

#include "libtune/knob_kinds.h"

namespace tuneshift {

namespace {

constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();
constexpr int64_t kMicrosecondsAMinute = 60'000'000;

KnobInfo unit(std::string_view name, std::string_view property, std::string_view measure,
              int64_t minimum, int64_t maximum) {
  KnobInfo info;
  info.family = Family::cgroup;
  info.target = Target::unit;
  info.name = name;
  info.property = property;
  info.unit = measure;
  info.minimum = minimum;
  info.maximum = maximum;
  info.source = "systemd.resource-control(5)";
  return info;
}

KnobInfo per_disk(KnobInfo info) {
  info.target = Target::unit_disk;
  return info;
}

}  // namespace

std::vector<KnobInfo> unit_kinds() {
  return {
      unit("cpu.weight", "CPUWeight", "", 1, 10000),
      unit("io.weight", "IOWeight", "", 1, 10000),
      unit("memory.low", "MemoryLow", "bytes", 0, kLargest),
      per_disk(unit("io.latency", "IODeviceLatencyTargetUSec", "µs", 1, kMicrosecondsAMinute)),
      per_disk(unit("io.max.rbps", "IOReadBandwidthMax", "bytes/s", 1, kLargest)),
      per_disk(unit("io.max.wbps", "IOWriteBandwidthMax", "bytes/s", 1, kLargest)),
  };
}

}  // namespace tuneshift
