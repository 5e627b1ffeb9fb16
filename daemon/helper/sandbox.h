// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <seccomp.h>

#include <cstdint>
#include <vector>

#include "daemon/helper/process_dir.h"
#include "libtune/result.h"

namespace tuneshift {

/// Becomes the reader's user for good: its uid, gid and groups, no capability, no new privileges,
/// not traceable by that user, small limits. Killed after `cpu_s` seconds of CPU.
Status become(const Credentials& credentials, uint64_t cpu_s);

/// The same as the user that this process is, with these capabilities (CAP_*) alone.
Status keep_capabilities(const std::vector<int>& capabilities, uint64_t cpu_s);

/// A system call by its number (SCMP_SYS), with what one of its arguments must be.
struct AllowedCall {
  int number = 0;
  std::vector<scmp_arg_cmp> when = {};
};

/// Leaves only these system calls, and what an exit and the allocator take; anything else kills
/// the process. Does nothing under a sanitizer, which needs more.
Status allow_only(const std::vector<AllowedCall>& calls);

}  // namespace tuneshift
