// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace tuneshift {

enum class ReadMode { mmap_sequential, mmap_tensor, mmap_random, read, pread, direct };

struct ReadSettings {
  ReadMode mode = ReadMode::mmap_sequential;
  unsigned threads = 1;           ///< of pread and direct
  int advice = -1;                ///< POSIX_FADV_* given on the descriptor, -1: none
  bool close_descriptor = false;  ///< right after mmap
  bool discard = false;           ///< read modes: drop the bytes, as a checksum program does
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
