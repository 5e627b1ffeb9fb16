// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The maps that the reader probes share. User space creates them once, from shared_maps.bpf.c, and
// gives them to every other object (bpf_map__reuse_fd) before it is loaded.
#pragma once

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "reader_event.h"

#define TUNESHIFT_EVENTS_BYTES (256 << 10)

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, TUNESHIFT_EVENTS_BYTES);
} events SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, TUNESHIFT_READERS);
  __type(key, struct tuneshift_reader_key);
  __type(value, struct tuneshift_reader_counts);
} readers SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, TUNESHIFT_READERS);
  __type(key, struct tuneshift_reader_key);
  __type(value, tuneshift_verdict);
} verdicts SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct tuneshift_settings);
} settings SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct tuneshift_fill_batch);
} fill_batches SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);  // empty while nobody is helped
  __uint(max_entries, TUNESHIFT_NEIGHBOURS);
  __type(key, struct tuneshift_neighbour_key);
  __type(value, __u32);
} neighbour_reads SEC(".maps");

// How many events found the ring buffer full.
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} dropped SEC(".maps");

// The last one of each reader, until user space takes it: its counts have those before it in them.
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);  // empty unless user space does not keep up
  __uint(max_entries, TUNESHIFT_READERS);
  __type(key, struct tuneshift_reader_key);
  __type(value, struct tuneshift_reader_event);
} dropped_events SEC(".maps");
