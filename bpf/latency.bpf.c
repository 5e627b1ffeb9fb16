// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// How long a request waits in the scheduler's queue (insert → issue) and how long the disk takes
// for it (issue → completion), and its size, as histograms for each disk and direction.
//
// A request that goes to the driver directly (scheduler "none" with room in the hardware queue) is
// never inserted and has no queue time. rq->start_time_ns would give it one, but from 6.12 on that
// is a time kept by the plug, 30 to 400 µs before the request.
#include "kernel_types.h"
// kernel_types.h goes first: the helpers below need its types.
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "latency.h"

#define MINOR_BITS 20

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define REQUEST_SLOTS_LOG2 13
#define GOLDEN_RATIO_32 0x61C88647U  // include/linux/hash.h
#define QUEUES_A_DISK 64             // more begin to share their slots

struct on_its_way {
  __u64 request;      // its address; another's: this slot was taken over
  __u64 inserted_ns;  // 0: not queued
  __u64 issued_ns;    // 0: not yet
  __u64 bytes;
};

// By the hardware queue and the request's tag in it: an array needs no call and a slot no removal.
// Requests of one queue never share a slot (a hash of their addresses, which lie in even steps, let
// those of two allocations meet by the dozen). Of two queues' in one slot the later is measured.
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1 << REQUEST_SLOTS_LOG2);
  __type(key, __u32);
  __type(value, struct on_its_way);
} requests SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);  // most machines have few disks
  __uint(max_entries, 1024);
  __type(key, struct tuneshift_latency_key);
  __type(value, struct tuneshift_latency);
} latencies SEC(".maps");

static __always_inline void count(__u64* buckets, __u64 value) {
  __u32 bucket = 0;
  for (__u32 step = 32; step > 0; step >>= 1) {
    if (value >> step) {
      value >>= step;
      bucket += step;
    }
  }
  if (bucket >= TUNESHIFT_LATENCY_BUCKETS) bucket = TUNESHIFT_LATENCY_BUCKETS - 1;
  __sync_fetch_and_add(&buckets[bucket], 1);
}

static __always_inline bool is_counted(const struct request* rq) {
  return (rq->cmd_flags & REQ_OP_MASK) <= REQ_OP_WRITE;
}

static __always_inline struct tuneshift_latency* find_latency(
    const struct tuneshift_latency_key* key) {
  static const struct tuneshift_latency empty;
  struct tuneshift_latency* latency = bpf_map_lookup_elem(&latencies, key);
  if (latency) return latency;
  bpf_map_update_elem(&latencies, key, &empty, BPF_NOEXIST);
  return bpf_map_lookup_elem(&latencies, key);
}

static __always_inline struct on_its_way* slot_of(const struct request* rq) {
  // With a scheduler a request has its tag from that; the driver's comes only when it is issued.
  __u32 tag = rq->internal_tag >= 0 ? rq->internal_tag : rq->tag;
  __u32 queue = (rq->q->id * QUEUES_A_DISK + rq->mq_hctx->queue_num) * GOLDEN_RATIO_32;
  __u32 slot = ((queue >> (32 - REQUEST_SLOTS_LOG2)) + tag) & ((1 << REQUEST_SLOTS_LOG2) - 1);
  return bpf_map_lookup_elem(&requests, &slot);
}

SEC("tp_btf/block_rq_insert")
int BPF_PROG(on_insert, struct request* rq) {
  struct on_its_way* slot = slot_of(rq);
  if (!is_counted(rq) || !slot) return 0;
  slot->request = (__u64)rq;
  slot->inserted_ns = bpf_ktime_get_ns();
  slot->issued_ns = 0;
  return 0;
}

SEC("tp_btf/block_rq_issue")
int BPF_PROG(on_issue, struct request* rq) {
  struct on_its_way* slot = slot_of(rq);
  if (!is_counted(rq) || !slot) return 0;
  // Of the last request at this address: merged into another it never completed, not queued it
  // needs no time of insertion. One that is issued once more, as the device had no room, keeps its.
  if (slot->request != (__u64)rq || slot->inserted_ns < rq->start_time_ns) slot->inserted_ns = 0;
  slot->request = (__u64)rq;
  slot->issued_ns = bpf_ktime_get_ns();
  slot->bytes = rq->__data_len;
  return 0;
}

SEC("tp_btf/block_rq_complete")
int BPF_PROG(on_complete, struct request* rq, int error, unsigned int nr_bytes) {
  if (!is_counted(rq)) return 0;
  if (nr_bytes < rq->__data_len) return 0;  // a part of it: the rest is still on its way
  struct on_its_way* slot = slot_of(rq);
  if (!slot || slot->request != (__u64)rq) return 0;
  struct on_its_way request = *slot;
  slot->request = 0;

  struct gendisk* disk = rq->q->disk;
  if (error || !disk || !request.issued_ns) return 0;
  struct tuneshift_latency_key disk_key = {
      .device = (__u32)disk->major << MINOR_BITS | (__u32)disk->first_minor,
      .write = (rq->cmd_flags & REQ_OP_MASK) == REQ_OP_WRITE,
  };
  struct tuneshift_latency* latency = find_latency(&disk_key);
  if (!latency) return 0;
  if (request.inserted_ns) count(latency->queue, (request.issued_ns - request.inserted_ns) / 1000);
  count(latency->device, (bpf_ktime_get_ns() - request.issued_ns) / 1000);
  count(latency->size, request.bytes);
  return 0;
}
