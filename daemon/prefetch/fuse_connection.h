// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "daemon/unique_fd.h"
#include "libtune/event.h"
#include "libtune/result.h"

namespace tuneshift {

/// What waits at a FUSE file system's server, from the kernel's fusectl file system.
class FuseConnection {
 public:
  /// `root_fd` is the directory that has sys. Needs to override file modes; and where fusectl is
  /// not mounted CAP_SYS_ADMIN and the system calls that mount, which the unit's filter refuses.
  static Result<FuseConnection> open(int root_fd, const FileId& file);

  /// Who has mounted it: its files are his alone.
  [[nodiscard]] uid_t owner() const { return owner_; }

  /// How many requests may be added before the kernel drops the read-ahead that nobody waits for
  /// (fuse_readahead(): fc->num_background >= fc->congestion_threshold), with some left for the
  /// readers. not_found when the connection has gone. As owner() this takes no capability.
  [[nodiscard]] Result<uint64_t> room() const;

 private:
  UniqueFd folder_;
  uid_t owner_ = 0;
  uint64_t threshold_ = 0;
};

}  // namespace tuneshift
