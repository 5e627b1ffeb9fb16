// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "daemon/deadline_fs.h"
#include "daemon/options.h"
#include "libtune/journal.h"

namespace tuneshift {

/// Opens the run directory's journal for a daemon. Waits options.lock_wait_s for a killed one that
/// keeps it because it hangs in the kernel: what it writes there lands when it is let go, and must
/// not land on values that were put back. busy when it is still there after that, with where it
/// hangs, and busy at once when a daemon that is alive keeps it.
Result<Journal> open_journal(const Options& options, const KernelFs& kernel);

/// The same for who only puts values back, and so is of use beside a dying daemon as well: after
/// the wait it is the journal without its lock, and `patient_kernel` refuses the devices on which a
/// write is still to land.
Result<Journal> open_journal_to_restore(const Options& options, const KernelFs& kernel,
                                        DeadlineFs& patient_kernel);

}  // namespace tuneshift
