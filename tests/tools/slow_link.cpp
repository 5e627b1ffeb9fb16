// SPDX-License-Identifier: LGPL-2.1-or-later
#include "slow_link.h"

#include <algorithm>
#include <cerrno>
#include <ctime>

namespace tuneshift {

uint64_t SlowLink::book(size_t bytes) {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const uint64_t arrival_ns = static_cast<uint64_t>(now.tv_sec) * 1000000000 + now.tv_nsec;
  const uint64_t transfer_ns =
      bytes_per_second_ == 0 ? 0 : bytes * uint64_t{1000000000} / bytes_per_second_;
  std::lock_guard lock(mutex_);
  link_free_ns_ = std::max(link_free_ns_, arrival_ns + latency_ns_) + transfer_ns;
  return link_free_ns_;
}

void SlowLink::wait_until(uint64_t due_ns) {
  const timespec due{static_cast<time_t>(due_ns / 1000000000),
                     static_cast<long>(due_ns % 1000000000)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, nullptr) == EINTR) {
  }
}

}  // namespace tuneshift
