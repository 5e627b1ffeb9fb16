// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace tuneshift {

enum class ReadMode {
  mmap_sequential,
  mmap_tensor,
  mmap_random,
  read,
  pread,
  direct,
  aio,           ///< Linux AIO with O_DIRECT
  uring,         ///< io_uring, buffered, submitted by the program itself
  uring_async,   ///< the same by worker threads
  uring_sqpoll,  ///< the same by a polling kernel thread
  uring_direct,  ///< io_uring with O_DIRECT
};

struct ReadSettings {
  ReadMode mode = ReadMode::mmap_sequential;
  unsigned threads = 1;           ///< of pread and direct
  int advice = -1;                ///< POSIX_FADV_* given on the descriptor, -1: none
  uint64_t step_bytes = 0;        ///< of one read call, 0: the mode's own
  int memory_advice = -1;         ///< MADV_* given on the mapping, -1: none
  bool populate = false;          ///< mmap with MAP_POPULATE
  bool hinted = false;            ///< mmap at an address of the program's choice
  bool close_descriptor = false;  ///< right after mmap
  bool discard = false;           ///< read, pread, direct: drop the bytes, as a checksum does
};

/// A loaded file, kept as the mode keeps it.
struct Loaded {
  uint64_t bytes = 0;
  uint64_t sum = 0;  ///< of one byte a page, so that no read is optimised away
  int fd = -1;
  std::shared_ptr<void> memory;
};

/// Loads one file; exits with a message when that fails.
Loaded load_file(const std::string& path, const ReadSettings& settings);

}  // namespace tuneshift
