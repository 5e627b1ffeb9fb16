// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>

namespace tuneshift {

/// What a process had in memory and had moved at one moment, in bytes. Growth between two samples
/// tells a program that keeps what it reads from one that passes it on.
struct ProcessSample {
  uint64_t anonymous_bytes =
      0;                       ///< RssAnon + RssShmem + VmSwap + HugetlbPages of proc_pid_status(5)
  uint64_t file_bytes = 0;     ///< RssFile: pages of mapped files that the process has touched
  uint64_t read_bytes = 0;     ///< rchar of proc_pid_io(5): read(2) and its like, cached or not
  uint64_t written_bytes = 0;  ///< the larger of wchar (misses io_uring) and write_bytes
};

}  // namespace tuneshift
