// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <vector>

#include "libtune/event.h"
#include "libtune/facts.h"
#include "libtune/kernel_fs.h"
#include "libtune/result.h"

namespace tuneshift {

/// What re-windowing one reader did.
struct RewindowOutcome {
  unsigned reset = 0;   ///< descriptors whose read-ahead window was reset
  unsigned direct = 0;  ///< left alone: O_DIRECT reads no window
  std::vector<std::string> failures;
};

/// Makes the reader's own open descriptors of the file take the store's present read-ahead:
/// pidfd_getfd(2) and posix_fadvise(POSIX_FADV_NORMAL) on each, which sets f_ra.ra_pages anew
/// (mm/fadvise.c generic_fadvise). Reads nothing and evicts nothing. Descriptors are those of
/// `descriptors`, each checked again (device, inode, not O_PATH, without revalidating attributes)
/// because the reader may have reused the number. Needs CAP_SYS_PTRACE.
/// not_found when the process has gone.
Result<RewindowOutcome> rewindow(const KernelFs& kernel, const Reader& reader,
                                 const std::vector<OpenDescriptor>& descriptors);

/// How many of these descriptors the reader still has on the file, without O_DIRECT. Nothing is
/// done.
unsigned count_buffered(const KernelFs& kernel, const Reader& reader,
                        const std::vector<OpenDescriptor>& descriptors);

}  // namespace tuneshift
