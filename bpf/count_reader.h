// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Counting one reader of one file, in the context of the reading task: what the reads, cache_fills
// and mappings programs have in common.
#pragma once

#include "kernel_types.h"
// kernel_types.h goes first: the helpers below need its types.
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "shared_maps.h"

// What the programs need to know about a file before anything is stored for it.
struct file_facts {
  struct tuneshift_reader_key key;  // the process half is filled in by find_reader()
  __u64 size;
  bool has_block_device;
};

static __always_inline const struct tuneshift_settings* get_settings(void) {
  __u32 zero = 0;
  return bpf_map_lookup_elem(&settings, &zero);
}

// What the kernel mounted for itself (memfd, System V's shared memory) and huge pages: memory that
// no model is copied to as a file. A tmpfs is somebody's: a model there may be served.
static __always_inline bool is_memory(struct super_block* super) {
  return BPF_CORE_READ(super, s_flags) & SB_KERNMOUNT ||
         BPF_CORE_READ(super, s_magic) == HUGETLBFS_MAGIC;
}

// False for what is never counted: not a regular file, one below the floor, or no file but memory.
static __always_inline bool describe_file(struct inode* inode, const struct tuneshift_settings* set,
                                          struct file_facts* file) {
  if ((BPF_CORE_READ(inode, i_mode) & S_IFMT) != S_IFREG) return false;
  file->size = BPF_CORE_READ(inode, i_size);
  if (file->size < set->size_floor) return false;
  struct super_block* super = BPF_CORE_READ(inode, i_sb);
  if (is_memory(super)) return false;
  file->key.inode = BPF_CORE_READ(inode, i_ino);
  file->key.device = BPF_CORE_READ(super, s_dev);
  file->has_block_device = BPF_CORE_READ(super, s_bdev) != NULL;
  return true;
}

// A miss of any file, however small, while somebody is helped. User space knows whom it helps.
static __always_inline void count_neighbour(struct inode* inode, __u64 offset,
                                            const struct tuneshift_settings* set) {
  if (!set->neighbours) return;
  if (offset >= (__u64)BPF_CORE_READ(inode, i_size)) return;  // a write that appends
  struct task_struct* task = bpf_get_current_task_btf();
  if (task->flags & PF_KTHREAD || (__u32)task->tgid == set->own_pid ||
      (__u32)task->group_leader->real_parent->tgid == set->own_pid)
    return;
  struct tuneshift_neighbour_key key = {.pid = task->tgid,
                                        .device = BPF_CORE_READ(inode, i_sb, s_dev)};
  __u32 one = 1;
  __u32* count = bpf_map_lookup_elem(&neighbour_reads, &key);
  if (count)
    __sync_fetch_and_add(count, 1);
  else
    bpf_map_update_elem(&neighbour_reads, &key, &one, BPF_NOEXIST);
}

// Puts the current process into the key. False for those that are not counted: kernel threads, and
// the daemon and its own children (the inspector reads the very files that are watched) unless it
// is the self-test.
static __always_inline bool describe_process(const struct tuneshift_settings* set,
                                             struct file_facts* file) {
  struct task_struct* task = bpf_get_current_task_btf();
  struct task_struct* leader = task->group_leader;
  __u32 pid = task->tgid;
  file->key.pid = pid;
  file->key.start_ns = leader->start_boottime;
  if (task->flags & PF_KTHREAD) return false;
  if (pid == set->own_pid)
    return file->key.inode == set->selftest_inode && file->key.device == set->selftest_device;
  return (__u32)leader->real_parent->tgid != set->own_pid;
}

static __always_inline struct tuneshift_reader_counts* find_reader(
    const struct tuneshift_reader_key* key, __u64 now_ns) {
  struct tuneshift_reader_counts* counts = bpf_map_lookup_elem(&readers, key);
  if (counts) return counts;
  struct tuneshift_reader_counts fresh = {.first_ns = now_ns};
  bpf_map_update_elem(&readers, key, &fresh, BPF_NOEXIST);
  return bpf_map_lookup_elem(&readers, key);
}

// The ring buffer is full: user space finds the event here once it goes on.
static __always_inline void keep_dropped(const struct tuneshift_reader_event* event) {
  __u32 zero = 0;
  bpf_map_update_elem(&dropped_events, &event->key, event, BPF_ANY);
  __u64* count = bpf_map_lookup_elem(&dropped, &zero);
  if (count) __sync_fetch_and_add(count, 1);
}

// All that is missed of the file later makes no event.
static __always_inline bool is_last_step(const struct tuneshift_reader_counts* counts,
                                         __u64 file_size) {
  return counts->bytes + TUNESHIFT_STEP_BYTES >= file_size;
}

static __always_inline void emit_event(const struct file_facts* file,
                                       struct tuneshift_reader_counts* counts, __u64 now_ns,
                                       enum tuneshift_evidence evidence) {
  const tuneshift_verdict* verdict = bpf_map_lookup_elem(&verdicts, &file->key);
  if (verdict && *verdict == TUNESHIFT_QUIET) return;
  struct tuneshift_reader_event event = {
      .key = file->key,
      .time_ns = now_ns,
      .first_ns = counts->first_ns,
      .bytes = counts->bytes,
      .sequential = counts->sequential,
      .file_size = file->size,
      .jumps = counts->jumps,
      .evidence = evidence,
      .has_block_device = file->has_block_device,
  };
  struct task_struct* task = bpf_get_current_task_btf();
  BPF_CORE_READ_STR_INTO(&event.command, task, group_leader, comm);
  bool is_close = now_ns - counts->event_ns < TUNESHIFT_WAIT_NS;
  counts->event_ns = now_ns;
  // A mapping never waits: behind the end of its load it would be a new one. Without force, events
  // that wait would keep one behind them from waking.
  bool waits = verdict && *verdict == TUNESHIFT_WAITS && is_close &&
               evidence != TUNESHIFT_MAPPING && !is_last_step(counts, file->size);
  __u64 flags = waits ? BPF_RB_NO_WAKEUP : BPF_RB_FORCE_WAKEUP;
  if (bpf_ringbuf_output(&events, &event, sizeof(event), flags) != 0) keep_dropped(&event);
}

// Whether a miss continues the one before it. Where fills are put into batches, what the reader
// left in another CPU's is not counted yet.
static __always_inline bool is_continued(struct tuneshift_reader_counts* counts, __u64 offset,
                                         enum tuneshift_evidence evidence) {
  bool continues = counts->next_offset == offset;
  if (evidence != TUNESHIFT_CACHE_FILL) return continues;
  __u32 cpu = bpf_get_smp_processor_id();
  bool moved = counts->fill_cpu != cpu;
  counts->fill_cpu = cpu;
  return continues || (moved && offset > counts->next_offset &&
                       offset - counts->next_offset <= TUNESHIFT_BATCH_BYTES);
}

// Returns the reader's bytes, with these. `told` becomes true for the jump that is told of.
static __always_inline __u64 add_bytes(struct tuneshift_reader_counts* counts, __u64 offset,
                                       __u64 bytes, enum tuneshift_evidence evidence, bool* told) {
  if (is_continued(counts, offset, evidence)) {
    __sync_fetch_and_add(&counts->sequential, bytes);
  } else {
    *told = __sync_fetch_and_add(&counts->jumps, 1) + 1 == TUNESHIFT_TOLD_JUMPS;
  }
  counts->next_offset = offset + bytes;
  return __sync_fetch_and_add(&counts->bytes, bytes) + bytes;
}

// The same for a batch of fills, which continues the fill that began it and was counted then. One
// that is put away late, as its reader went on elsewhere, says nothing of where the reader is.
static __always_inline __u64 add_batch(struct tuneshift_reader_counts* counts, __u64 offset,
                                       __u64 bytes) {
  if (counts->next_offset == offset) counts->next_offset = offset + bytes;
  __sync_fetch_and_add(&counts->sequential, bytes);
  return __sync_fetch_and_add(&counts->bytes, bytes) + bytes;
}

static __always_inline __u64 next_step(__u64 total, __u64 file_size) {
  __u64 left = file_size > total ? file_size - total : 0;
  __u64 step = (total < left ? total : left) / TUNESHIFT_STEP_PART;
  return step > TUNESHIFT_STEP_BYTES ? step : TUNESHIFT_STEP_BYTES;
}

// Emits an event on the first miss and then once a step. Threads of one reader run this at once:
// whoever moves next_event emits.
static __always_inline void emit_if_due(const struct file_facts* file,
                                        struct tuneshift_reader_counts* counts, __u64 total,
                                        __u64 now_ns, bool told, enum tuneshift_evidence evidence) {
  __u64 due = counts->next_event;
  if (total < due) {
    if (told) emit_event(file, counts, now_ns, evidence);
    return;
  }
  __u64 next = total + next_step(total, file->size);
  if (__sync_val_compare_and_swap(&counts->next_event, due, next) != due) return;
  emit_event(file, counts, now_ns, evidence);
}

static __always_inline void count_miss(const struct file_facts* file, __u64 offset, __u64 bytes,
                                       enum tuneshift_evidence evidence) {
  __u64 now_ns = bpf_ktime_get_ns();
  struct tuneshift_reader_counts* counts = find_reader(&file->key, now_ns);
  if (!counts) return;
  bool told = false;
  __u64 total = add_bytes(counts, offset, bytes, evidence, &told);
  emit_if_due(file, counts, total, now_ns, told, evidence);
}

static __always_inline void count_batch(const struct file_facts* file, __u64 offset, __u64 bytes) {
  __u64 now_ns = bpf_ktime_get_ns();
  struct tuneshift_reader_counts* counts = find_reader(&file->key, now_ns);
  if (!counts) return;
  __u64 total = add_batch(counts, offset, bytes);
  emit_if_due(file, counts, total, now_ns, false, TUNESHIFT_CACHE_FILL);
}
