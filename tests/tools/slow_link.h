// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>

namespace tuneshift {

/// The clock of a store behind a network: each request waits `latency_us`, then its bytes go over
/// one link that all requests share, one after the other.
class SlowLink {
 public:
  SlowLink(uint64_t latency_us, uint64_t bytes_per_second)
      : latency_ns_(latency_us * 1000), bytes_per_second_(bytes_per_second) {}

  /// CLOCK_MONOTONIC time at which a request made now for `bytes` is answered.
  uint64_t book(size_t bytes);

  /// Sleeps until that time.
  static void wait_until(uint64_t due_ns);

 private:
  const uint64_t latency_ns_;
  const uint64_t bytes_per_second_;
  std::mutex mutex_;
  uint64_t link_free_ns_ = 0;
};

}  // namespace tuneshift
