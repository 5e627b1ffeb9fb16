// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "libtune/kernel_fs.h"

namespace tuneshift {

/// One control group of a process.
struct ControlGroup {
  std::string directory;  ///< for KernelFs: "sys/fs/cgroup/system.slice"; it may not exist
  std::string name;       ///< "/system.slice", "/" for the root; raw bytes
};

/// Where a process is in the hierarchy that has one controller.
struct ControlGroups {
  bool v2 = true;
  std::vector<ControlGroup> levels;  ///< its own first, the root last; none without cgroups
};

/// `process` is a pid, or "self"; `controller` "memory", "pids". From /proc/PID/cgroup
/// (cgroups(7)): the v1 hierarchy below sys/fs/cgroup/CONTROLLER where there is one, else v2's in
/// sys/fs/cgroup or, on machines that have both, sys/fs/cgroup/unified. Who may make control groups
/// chooses their names: invalid_argument for a path with ".." (a group outside the namespace that
/// procfs is seen from) or not from the root on, limit_exceeded for more than 32 levels.
Result<ControlGroups> find_control_groups(const KernelFs& kernel, std::string_view process,
                                          std::string_view controller);

}  // namespace tuneshift
