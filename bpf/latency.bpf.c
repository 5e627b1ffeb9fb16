// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// How long a disk takes for a request, from its issue to the driver to its completion, as a
// histogram for each disk and direction.
#include "kernel_types.h"
// kernel_types.h goes first: the helpers below need its types.
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "latency.h"

#define MINOR_BITS 20

char LICENSE[] SEC("license") = "Dual BSD/GPL";

// Issue times by request. LRU: a request that never completes must not keep its place.
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 16384);
  __type(key, __u64);
  __type(value, __u64);
} issued SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1024);
  __type(key, struct tuneshift_latency_key);
  __type(value, struct tuneshift_latency);
} latencies SEC(".maps");

static __always_inline __u32 bucket_of(__u64 us) {
  __u32 bucket = 0;
  for (__u32 step = 32; step > 0; step >>= 1) {
    if (us >> step) {
      us >>= step;
      bucket += step;
    }
  }
  return bucket < TUNESHIFT_LATENCY_BUCKETS ? bucket : TUNESHIFT_LATENCY_BUCKETS - 1;
}

static __always_inline struct tuneshift_latency* find_latency(
    const struct tuneshift_latency_key* key) {
  static const struct tuneshift_latency empty;
  struct tuneshift_latency* latency = bpf_map_lookup_elem(&latencies, key);
  if (latency) return latency;
  bpf_map_update_elem(&latencies, key, &empty, BPF_NOEXIST);
  return bpf_map_lookup_elem(&latencies, key);
}

SEC("tp_btf/block_rq_issue")
int BPF_PROG(on_issue, struct request* rq) {
  if ((rq->cmd_flags & REQ_OP_MASK) > REQ_OP_WRITE) return 0;
  __u64 key = (__u64)rq;
  __u64 now_ns = bpf_ktime_get_ns();
  bpf_map_update_elem(&issued, &key, &now_ns, BPF_ANY);
  return 0;
}

SEC("tp_btf/block_rq_complete")
int BPF_PROG(on_complete, struct request* rq, int error, unsigned int nr_bytes) {
  __u32 op = rq->cmd_flags & REQ_OP_MASK;
  if (op > REQ_OP_WRITE) return 0;
  if (nr_bytes < rq->__data_len) return 0;  // a part of it: the rest is still on its way
  __u64 key = (__u64)rq;
  __u64* since_ns = bpf_map_lookup_elem(&issued, &key);
  if (!since_ns) return 0;
  __u64 us = (bpf_ktime_get_ns() - *since_ns) / 1000;
  bpf_map_delete_elem(&issued, &key);

  struct gendisk* disk = BPF_CORE_READ(rq, q, disk);
  if (error || !disk) return 0;
  struct tuneshift_latency_key disk_key = {
      .device =
          (__u32)BPF_CORE_READ(disk, major) << MINOR_BITS | (__u32)BPF_CORE_READ(disk, first_minor),
      .write = op == REQ_OP_WRITE,
  };
  struct tuneshift_latency* latency = find_latency(&disk_key);
  if (latency) __sync_fetch_and_add(&latency->count[bucket_of(us)], 1);
  return 0;
}
