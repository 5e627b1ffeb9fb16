// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <chrono>
#include <cstdint>

#include "libtune/result.h"

namespace tuneshift {

/// How a store is read.
struct ReadPattern {
  uint64_t block_bytes = 0;  ///< of one request; a multiple of the store's own block
  unsigned depth = 1;        ///< requests in flight at any time, 1 to 1024
  bool random = false;       ///< whole blocks in any order, else one after the other
};

struct ReadSpeed {
  uint64_t requests = 0;
  uint64_t bytes = 0;
  uint64_t took_ns = 0;  ///< from the first request to the last answer
  uint64_t p50_ns = 0;   ///< of a request, from its submission to its answer
  uint64_t p99_ns = 0;

  [[nodiscard]] uint64_t bytes_a_second() const;
};

/// Reads the first `size_bytes` of `fd`, over and over, through a ring of io_uring(7) for about
/// `duration`; at least `depth` requests. An error names what failed: the ring (where io_uring is
/// switched off), the buffers, a read, or a file that ends before `size_bytes`.
Result<ReadSpeed> measure_reads(int fd, uint64_t size_bytes, const ReadPattern& pattern,
                                std::chrono::nanoseconds duration);

}  // namespace tuneshift
