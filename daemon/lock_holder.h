// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libtune/kernel_fs.h"

namespace tuneshift {

/// A process that keeps a file's flock(2).
struct LockHolder {
  int pid = 0;
  /// It runs no code of its own any more, in any thread, and is gone once the kernel lets it go.
  bool dying = false;
  /// The kernel's settings that it has open, as paths for KernelFs ("sys/block/vda/queue/…",
  /// "sys/class/bdi/…"): of a dying process those in which it hangs.
  std::vector<std::string> settings;
};

/// Who keeps the lock of the file `path`, by /proc/locks (proc_locks(5)); nothing when nobody does,
/// or nobody that this process can see.
std::optional<LockHolder> find_lock_holder(const KernelFs& kernel, const std::string& path);

}  // namespace tuneshift
