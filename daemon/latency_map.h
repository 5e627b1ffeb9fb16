// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>

#include "daemon/probes.h"

namespace tuneshift {

/// The counts of one disk and direction in the latency program's map; empty before its first
/// request.
RequestCounts read_latency(int map_fd, uint32_t device_major, uint32_t device_minor, bool write);

/// Requests counted so far, of all disks, both directions.
uint64_t count_requests(int map_fd);

}  // namespace tuneshift
