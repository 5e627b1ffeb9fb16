// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "daemon/prefetch/daemon_link.h"
#include "daemon/prefetch_protocol.h"
#include "libtune/result.h"

namespace tuneshift {

/// Reads ahead of one reader of one file. Begins as root, gives its privileges up before it reads
/// the first byte, and ends when all is read, the daemon lets go, or something is in the way.
Status read_ahead_of(int root_fd, const PrefetchOrder& order, DaemonLink& link);

}  // namespace tuneshift
