// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What the latency probe shares with user space.
#pragma once

// log2 of µs or bytes: bucket i counts [2^i, 2^(i+1)), the first also 0, the last is open.
#define TUNESHIFT_LATENCY_BUCKETS 27

struct tuneshift_latency_key {
  __u32 device;  // the disk's dev_t (major << 20 | first minor)
  __u32 write;   // 0 read, 1 write
};

// The completed requests of one disk and direction.
struct tuneshift_latency {
  __u64 queue[TUNESHIFT_LATENCY_BUCKETS];   // µs, insert → issue: only those that were queued
  __u64 device[TUNESHIFT_LATENCY_BUCKETS];  // µs, issue → completion
  __u64 size[TUNESHIFT_LATENCY_BUCKETS];    // bytes
};
