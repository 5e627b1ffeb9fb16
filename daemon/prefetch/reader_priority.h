// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <sys/types.h>

namespace tuneshift {

/// Gives this process the nice value and the I/O priority of a reader (its first thread's), so that
/// what is read for `nice` or `ionice -c3` waits as the reader's own reads would. Neither becomes
/// better than what a process has that asked for nothing: nice 0, best effort at level 4. Idle
/// requests would be the lowest level of best effort, as another's reader may wait for the same
/// pages. Without an I/O priority of the reader's own, this one's follows from its nice value as
/// well. What cannot be asked, as the reader has gone, stays as it is.
void take_priority_of(pid_t reader);

}  // namespace tuneshift
