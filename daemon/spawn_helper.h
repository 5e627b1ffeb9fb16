// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <sys/types.h>

#include <csignal>
#include <string>
#include <string_view>

#include "daemon/unique_fd.h"
#include "libtune/result.h"

namespace tuneshift {

/// A process that does for the daemon what may block for ever. Nobody waits for it: its end is
/// seen on its pidfd.
struct Helper {
  pid_t pid = 0;
  UniqueFd pidfd;
  UniqueFd socket;  ///< the daemon's end of a SOCK_SEQPACKET pair
};

/// Starts `program` with the other end as its standard input and `packet` in it; its environment
/// is empty. An io error when it cannot be started: never not_found, which is a reader's.
Result<Helper> spawn_helper(const std::string& program, std::string_view packet);

/// SIGKILL, through the pidfd.
void kill_helper(const Helper& helper);

/// Takes the exit status of one that has ended; si_pid is 0 while it has not.
siginfo_t reap_helper(const Helper& helper);

/// How it ended: "signal 9" or "status 1".
std::string describe_end(const siginfo_t& info);

}  // namespace tuneshift
