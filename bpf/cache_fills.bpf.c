// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Bytes that were not in the page cache, where no block device tells (FUSE, NFS, btrfs). Runs for
// every folio added to any page cache: attached only while such a file system is mounted, and out
// again as early as can be.
#include "count_reader.h"
#include "folio.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tp_btf/mm_filemap_add_to_page_cache")
int BPF_PROG(on_cache_fill, struct folio* folio) {
  struct inode* inode = folio->mapping->host;
  struct super_block* super = inode->i_sb;
  if (super->s_bdev) return 0;
  const struct tuneshift_settings* set = get_settings();
  if (!set) return 0;

  struct file_facts file = {};
  if (!describe_file(inode, set, &file) || super->s_magic == HUGETLBFS_MAGIC) return 0;
  __u64 offset = (__u64)folio->index << set->page_shift;
  if (offset >= file.size) return 0;  // a write that appends
  if (!describe_process(set, &file)) return 0;

  __u64 bytes = folio_pages(folio) << set->page_shift;
  __u64 left = file.size - offset;
  count_miss(&file, offset, bytes < left ? bytes : left, TUNESHIFT_CACHE_FILL);
  return 0;
}
