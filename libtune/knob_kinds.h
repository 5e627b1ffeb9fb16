// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "libtune/catalogue.h"

namespace tuneshift {

/// What most kinds begin with: one for the machine, used per load.
KnobInfo number_kind(Family family, std::string_view name, std::string_view unit, int64_t minimum,
                     std::optional<int64_t> maximum, std::string_view source);
KnobInfo choice_kind(Family family, std::string_view name, std::string_view source);

/// The same, for holds and switches alone.
KnobInfo on_request(KnobInfo info);

/// The parts of the catalogue, a file each.
std::vector<KnobInfo> sysctl_kinds();     ///< /proc/sys
std::vector<KnobInfo> device_kinds();     ///< disks, bdis, FUSE connections
std::vector<KnobInfo> scheduler_kinds();  ///< the numbers of a disk's I/O scheduler
std::vector<KnobInfo> machine_kinds();    ///< huge pages, CPUs and what else there is once
std::vector<KnobInfo> unit_kinds();       ///< cgroup v2, through systemd

}  // namespace tuneshift
