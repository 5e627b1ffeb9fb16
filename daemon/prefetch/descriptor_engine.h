// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>

#include "daemon/prefetch/daemon_link.h"
#include "libtune/result.h"

namespace tuneshift {

/// Reads a file into the page cache from its beginning to its end, as far as the link's budget
/// goes: WILLNEED keeps a constant number of bytes in flight, and one byte read of each piece
/// tells that it has arrived. `step_bytes` is what one WILLNEED reads at most, `unit_bytes`
/// what a reader without help waits for (Worth). Success as well when the daemon lets go;
/// unsupported when it brings nothing, an io error when the file ends before `size` or cannot be
/// read.
Status read_ahead(int fd, uint64_t size, uint64_t step_bytes, uint64_t unit_bytes,
                  DaemonLink& link);

}  // namespace tuneshift
