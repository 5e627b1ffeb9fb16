// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "libtune/result.h"

namespace tuneshift {

/// The control groups that a process's pages and reads are charged to, below sys/fs/cgroup, from
/// its proc/PID/cgroup: those of the memory and blkio hierarchies of version 1, where there are
/// such, or the one of version 2. Empty when there is none, or when it lies outside of this
/// process's cgroup namespace.
std::vector<std::string> charged_groups(std::string_view proc_cgroup);

/// Moves this process, of one thread, into them.
Status join_groups(int root_fd, const std::vector<std::string>& groups);

}  // namespace tuneshift
