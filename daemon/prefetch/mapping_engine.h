// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "daemon/prefetch/daemon_link.h"
#include "daemon/prefetch/fuse_connection.h"
#include "libtune/event.h"
#include "libtune/result.h"

namespace tuneshift {

/// A file as its reader has it mapped.
struct MappedFile {
  int pidfd = -1;
  pid_t pid = 0;
  int maps_fd = -1;  ///< the process's proc/PID/maps
  FileId shown;      ///< as that file shows it
  uint64_t size = 0;
  uint64_t start_bytes = 0;              ///< where to begin; what is before it comes last
  uint64_t step_bytes = 0;               ///< what one WILLNEED reads at most
  uint64_t unit_bytes = 0;               ///< what the reader waits for without help (Worth)
  const FuseConnection* fuse = nullptr;  ///< null: another file system
};

/// Reads a file into the page cache through its reader's mappings, as far as the link's budget
/// goes: process_madvise(WILLNEED), one byte read of each piece to know that it has arrived. What
/// is not mapped is passed over. Success as well when the daemon lets go; unsupported when it
/// brings nothing, not_found when the reader has gone or maps nothing of the file. Needs
/// CAP_SYS_PTRACE and CAP_SYS_NICE.
Status advise_ahead(const MappedFile& file, DaemonLink& link);

}  // namespace tuneshift
