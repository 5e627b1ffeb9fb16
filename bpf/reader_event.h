// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What the reader probes share with user space: the event, the counters' key and the settings.
// Included by BPF programs (C) and by the daemon (C++): plain C, fixed-width types from whoever
// includes it.
#pragma once

#define TUNESHIFT_COMM_LENGTH 16
// An event on the first miss, then once a step: the least of this, more in the middle of a file of
// GiB, where nothing is decided.
#define TUNESHIFT_STEP_BYTES (8ULL << 20)
#define TUNESHIFT_STEP_PART 8  // of what is in or of what is left, whichever is less
// And one event once so many misses began elsewhere than where the one before them ended: random
// order on a slow store has read next to nothing by then.
#define TUNESHIFT_TOLD_JUMPS 32
#define TUNESHIFT_BATCH_BYTES (1ULL << 20)
// A batch asks who fills the page cache at offsets that are a multiple of this: half of the
// kernel's default read-ahead window, and one page of the largest.
#define TUNESHIFT_TASK_BYTES (64ULL << 10)

// User space looks once more so long after it took an event of a load: what follows an event within
// that time does not wake it, as waking costs more than all the rest.
#define TUNESHIFT_WAIT_NS 50000000ULL

#define TUNESHIFT_READERS 8192  // known at a time, more on a machine of many CPUs

enum tuneshift_evidence {
  TUNESHIFT_MAPPING = 0,
  TUNESHIFT_READ_MISS = 1,
  TUNESHIFT_DIRECT_READ = 2,
  TUNESHIFT_CACHE_FILL = 3,
};

// One process reading one file. device is the kernel's dev_t (major << 20 | minor).
struct tuneshift_reader_key {
  __u64 start_ns;
  __u64 inode;
  __u32 pid;
  __u32 device;
};

struct tuneshift_reader_event {
  struct tuneshift_reader_key key;
  __u64 time_ns;
  __u64 first_ns;
  __u64 bytes;
  __u64 sequential;
  __u64 file_size;
  __u32 jumps;
  __u8 evidence;          // enum tuneshift_evidence
  __u8 has_block_device;  // super_block::s_bdev is set
  __u8 padding[2];
  char command[TUNESHIFT_COMM_LENGTH];
};

// The counters of one reader (value of the map "readers").
struct tuneshift_reader_counts {
  __u64 first_ns;
  __u64 bytes;
  __u64 sequential;
  __u64 next_offset;  // where the last miss ended
  __u64 next_event;   // bytes at which the next event is due
  __u32 jumps;        // misses that began elsewhere than at next_offset
  __u32 fill_cpu;     // where the last batch of page-cache fills began
  __u64 mapping_ns;   // when the last mapping was told of, 0 when never
  __u64 event_ns;     // when the last event was told of
};

// Page-cache fills of one process that follow each other in one file, not yet in its counters
// (value of the map "fill_batches", one on each CPU).
struct tuneshift_fill_batch {
  struct tuneshift_reader_key key;
  __u64 inode;  // address of the struct inode
  __u64 size;   // of the file
  __u64 offset;
  __u64 bytes;
  __u64 is_counted;  // not of a worker of ours, which would be looked at page by page else
};

// Who reads from which store (key of the map "neighbour_reads"; the value counts its misses of any
// file since user space looked last, 32 bits). One that reads a large file in order is counted once
// for TUNESHIFT_BATCH_BYTES where the page cache's fills tell of it.
struct tuneshift_neighbour_key {
  __u32 pid;
  __u32 device;
};
#define TUNESHIFT_NEIGHBOURS 1024

// Settings, written by user space before attaching (map "settings", one element).
struct tuneshift_settings {
  __u64 size_floor;      // files below it are never counted
  __u64 selftest_inode;  // counted even when the daemon itself reads it
  __u64 direct_end_io;   // address of iomap_dio_bio_end_io, 0 when hidden
  __u32 selftest_device;
  __u32 own_pid;     // the daemon: it and its children are never counted
  __u32 page_shift;  // log2 of the page size
  __u32 neighbours;  // whether neighbour_reads is kept: only while some reader is helped
};

// User space's word on a reader (map "verdicts"); one without is told of at once.
enum tuneshift_verdict_value {
  TUNESHIFT_QUIET = 1,  // no more events
  TUNESHIFT_WAITS = 2,  // of a running load: its events wake as TUNESHIFT_WAIT_NS tells
};
typedef __u8 tuneshift_verdict;
