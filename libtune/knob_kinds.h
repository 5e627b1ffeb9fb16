// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <vector>

#include "libtune/catalogue.h"

namespace tuneshift {

/// The parts of the catalogue, a file each.
std::vector<KnobInfo> sysctl_kinds();   ///< /proc/sys
std::vector<KnobInfo> device_kinds();   ///< disks, bdis, FUSE connections
std::vector<KnobInfo> machine_kinds();  ///< huge pages, CPUs and what else there is once
std::vector<KnobInfo> unit_kinds();     ///< cgroup v2, through systemd

}  // namespace tuneshift
