// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/latency_map.h"

#include <bpf/bpf.h>
#include <linux/types.h>

#include <iterator>
#include <numeric>

#include "bpf/latency.h"

namespace tuneshift {

namespace {

constexpr unsigned minor_bits = 20;

}  // namespace

RequestCounts read_latency(int map_fd, uint32_t device_major, uint32_t device_minor, bool write) {
  const tuneshift_latency_key key{device_major << minor_bits | device_minor, write ? 1U : 0U};
  tuneshift_latency latency{};
  if (bpf_map_lookup_elem(map_fd, &key, &latency) != 0) return {};
  return {{std::begin(latency.queue), std::end(latency.queue)},
          {std::begin(latency.device), std::end(latency.device)},
          {std::begin(latency.size), std::end(latency.size)}};
}

uint64_t count_requests(int map_fd) {
  uint64_t total = 0;
  tuneshift_latency_key key{};
  tuneshift_latency_key* previous = nullptr;
  while (bpf_map_get_next_key(map_fd, previous, &key) == 0) {
    tuneshift_latency latency{};
    if (bpf_map_lookup_elem(map_fd, &key, &latency) == 0)
      total = std::accumulate(std::begin(latency.device), std::end(latency.device), total);
    previous = &key;
  }
  return total;
}

}  // namespace tuneshift
