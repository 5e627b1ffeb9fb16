// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What the latency probe shares with user space.
#pragma once

#define TUNESHIFT_LATENCY_BUCKETS \
  27  // log2 of µs: bucket i counts [2^i, 2^(i+1)), the last is open

struct tuneshift_latency_key {
  __u32 device;  // the disk's dev_t (major << 20 | first minor)
  __u32 write;   // 0 read, 1 write
};

struct tuneshift_latency {
  __u64 count[TUNESHIFT_LATENCY_BUCKETS];
};
