// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <sys/types.h>

#include <compare>
#include <cstdint>
#include <string>

namespace tuneshift {

/// A process for as long as it lives: the pid alone may be reused.
struct ProcessId {
  pid_t pid = 0;
  uint64_t start_ns = 0;  ///< task_struct::start_boottime of the thread group leader

  auto operator<=>(const ProcessId&) const = default;
};

/// A file by its superblock's device and inode number, as the kernel sees it (struct super_block
/// s_dev; on overlayfs the real file, on btrfs not what stat(2) shows).
struct FileId {
  uint32_t device_major = 0;
  uint32_t device_minor = 0;
  uint64_t inode = 0;

  auto operator<=>(const FileId&) const = default;
};

/// One process reading one file: the unit in which the probes count.
struct Reader {
  ProcessId process;
  FileId file;

  auto operator<=>(const Reader&) const = default;
};

/// Which signal an event came from.
enum class Evidence {
  mapping,      ///< a large file is about to be mapped; nothing of it was read yet
  read_miss,    ///< a buffered read reached a block device
  direct_read,  ///< an O_DIRECT read reached a block device, or a server of NFS
  cache_fill,   ///< page cache was filled on a file system without a block device
  sampled,      ///< the process's own figures grew while it held the file: no probe sees its store
};

/// "mapping", "read miss", "direct read", "cache fill" or "sampled".
const char* to_string(Evidence evidence);

/// What a probe saw. Times are CLOCK_MONOTONIC, sizes bytes.
struct Event {
  Reader reader;
  Evidence evidence = Evidence::read_miss;
  uint64_t time_ns = 0;   ///< when the kernel emitted it
  uint64_t first_ns = 0;  ///< the reader's first mapping or miss of this file
  uint64_t bytes = 0;     ///< not found in the page cache so far, by this reader of this file
  uint64_t file_size = 0;
  uint64_t sequential = 0;  ///< of those bytes, how many continued where the last ended
  uint32_t jumps = 0;       ///< misses that began elsewhere than where the one before them ended
  bool has_block_device = true;  ///< false on FUSE, NFS, btrfs: the store is its bdi alone
  std::string command;           ///< the thread group leader's comm, raw bytes, at most 15
};

}  // namespace tuneshift
