// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <linux/types.h>

#include <string>

#include "bpf/sysctl_event.h"
#include "daemon/sysctl_write.h"
#include "daemon/unique_fd.h"
#include "libtune/result.h"

namespace tuneshift {

/// The root of the cgroup v2 hierarchy, below a kernel root ("/"); not_found where there is none.
Result<UniqueFd> open_root_cgroup(const std::string& kernel_root);

/// The write in a ring-buffer record.
SysctlWrite to_sysctl_write(const tuneshift_sysctl_event& record);

/// Writes that the map "sysctl_lost" counted, 0 for any other descriptor.
uint64_t read_lost_writes(int map);

}  // namespace tuneshift
