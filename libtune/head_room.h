// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "libtune/kernel_fs.h"

namespace tuneshift {

/// How much page cache may be filled for a reader before memory is taken from somebody.
struct HeadRoom {
  uint64_t bytes = 0;
  std::string limited_by;         ///< by what: one line, escaped
  bool account_to_reader = true;  ///< who fetches may join the reader's control group
  std::string account_reason;     ///< why not: one line; empty where it may
  /// It is the limit of the process's own group that counts, and the pages are charged to that:
  /// whatever is filled takes memory from nobody else.
  bool of_own_group = false;
};

/// The least of what is left below the memory limits of the process's control group and of each
/// one above it, and of half of the machine's MemAvailable (proc_meminfo(5)): the loader may need
/// as much again for its copy.
///
/// What is left below a limit, min(memory.max, memory.high), is the limit less all that the kernel
/// cannot drop at once: anonymous and shared memory, unevictable pages, kernel memory that is not
/// reclaimable, dirty pages and those under write-back. What is locked and anonymous counts twice:
/// memory.stat does not tell how much that is. Page cache that is there already is part of the
/// head room, that of the file itself as well.
///
/// Control groups v2 (cgroup-v2.rst) and v1 (cgroup-v1/memory.rst, pids.rst), also mixed, below
/// sys/fs/cgroup. A missing file is no limit. 0 where a limit may be in force that cannot be
/// computed: an unreadable or malformed file, a group outside the daemon's cgroup namespace, more
/// than 32 levels.
///
/// Not in the reader's group is fetched
///  - where memory.oom.group is set there or above: one kill would take the whole group with it;
///  - where it has room for fewer than 8 processes (pids.max): the program may need them;
///  - where the group cannot be told.
/// The limits of the daemon's own group count as well then, or with `account_to_daemon`.
///
/// Reads some files for each level; none of them waits for a device or a memory reclaim.
HeadRoom read_head_room(const KernelFs& kernel, pid_t pid, bool account_to_daemon = false);

}  // namespace tuneshift
