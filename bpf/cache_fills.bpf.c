// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Bytes that were not in the page cache, where no block device tells (FUSE, NFS, btrfs). Runs for
// every folio added to any page cache: attached only while such a file system is mounted, and out
// again as early as can be. Those file systems add page by page, so what follows the page before is
// only put into a batch.
#include "count_reader.h"
#include "folio.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

// One CPU's batch into its reader's counters. Without an event: the current task may be another.
static __always_inline void put_away(struct tuneshift_fill_batch* batch) {
  if (!batch->bytes) return;
  struct tuneshift_reader_counts* counts = bpf_map_lookup_elem(&readers, &batch->key);
  if (counts) add_batch(counts, batch->offset, batch->bytes);
  batch->bytes = 0;
}

// Whether the batch, which has this inode's address, still is of its file and of this process.
// Asking for the task is a call, dearer than all the rest where a processor has to make returns
// safe: once in so many bytes is enough to notice that another process reads on.
static __always_inline bool is_current(const struct tuneshift_fill_batch* batch,
                                       const struct inode* inode, __u64 offset) {
  if (offset % TUNESHIFT_TASK_BYTES) return true;
  struct task_struct* task = bpf_get_current_task_btf();
  return batch->key.inode == inode->i_ino && batch->key.pid == (__u32)task->tgid &&
         batch->key.start_ns == task->group_leader->start_boottime;
}

// Whether the batch has this folio now.
static __always_inline bool add_to_batch(struct tuneshift_fill_batch* batch, __u64 offset,
                                         __u64 bytes) {
  if (offset != batch->offset + batch->bytes || offset >= batch->size) return false;
  __u64 left = batch->size - offset;
  batch->bytes += bytes < left ? bytes : left;
  if (batch->bytes < TUNESHIFT_BATCH_BYTES) return true;
  struct file_facts file = {.key = batch->key, .size = batch->size};
  if (batch->is_counted) count_batch(&file, batch->offset, batch->bytes);
  batch->offset += batch->bytes;
  batch->bytes = 0;
  return true;
}

SEC("tp_btf/mm_filemap_add_to_page_cache")
int BPF_PROG(on_cache_fill, struct folio* folio) {
  __u32 zero = 0;
  struct tuneshift_fill_batch* batch = bpf_map_lookup_elem(&fill_batches, &zero);
  const struct tuneshift_settings* set = get_settings();
  if (!batch || !set) return 0;
  struct inode* inode = folio->mapping->host;
  bool in_batch = batch->inode == (__u64)inode;
  // Everything else has a block device, as a rule.
  if (!in_batch && inode->i_sb->s_bdev) return 0;
  __u64 offset = (__u64)folio->index << set->page_shift;
  __u64 bytes = folio_pages(folio) << set->page_shift;
  bool is_small = batch->bytes + bytes < TUNESHIFT_BATCH_BYTES;
  if (in_batch && is_current(batch, inode, offset) && add_to_batch(batch, offset, bytes)) {
    if (!is_small) count_neighbour(inode, offset, set);
    return 0;
  }
  count_neighbour(inode, offset, set);

  struct file_facts file = {};
  if (!describe_file(inode, set, &file) || file.has_block_device) return 0;
  if (offset >= file.size) return 0;  // a write that appends
  bool is_counted = describe_process(set, &file);

  put_away(batch);
  __u64 left = file.size - offset;
  if (bytes > left) bytes = left;
  if (is_counted) count_miss(&file, offset, bytes, TUNESHIFT_CACHE_FILL);
  batch->is_counted = is_counted;
  batch->key = file.key;
  batch->inode = (__u64)inode;
  batch->size = file.size;
  batch->offset = offset + bytes;
  return 0;
}
