// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "daemon/prefetch/daemon_link.h"
#include "daemon/prefetcher.h"
#include "libtune/result.h"

namespace tuneshift {

/// Reads a file into the page cache from where the order says to its end, then what is before that,
/// as far as the link's budget goes: WILLNEED keeps a constant number of bytes in flight, and one
/// byte read of each piece tells that it has arrived. Success as well when the daemon lets go;
/// unsupported when it brings nothing (Worth), an io error when the file ends before the order's
/// size or cannot be read.
Status read_ahead(int fd, const PrefetchOrder& order, DaemonLink& link);

}  // namespace tuneshift
