// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Reads that reach a block device, by process and file. Runs once for each bio, so never on a hit
// in the page cache.
#include "count_reader.h"
#include "folio.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

// A direct read's file hangs on the iomap_dio behind the bio, its memory belongs to somebody else.
static __always_inline struct inode* direct_inode(struct bio* bio, __u64* offset) {
  struct iomap_dio* dio = bio->bi_private;
  struct kiocb* iocb = BPF_CORE_READ(dio, iocb);
  // size already includes this bio, ki_pos moves only when the whole call is done.
  *offset = BPF_CORE_READ(iocb, ki_pos) + BPF_CORE_READ(dio, size) - bio->bi_iter.bi_size;
  return BPF_CORE_READ(iocb, ki_filp, f_inode);
}

static __always_inline struct inode* buffered_inode(struct bio* bio, __u32 page_shift,
                                                    __u64* offset) {
  struct page* page = BPF_CORE_READ(bio, bi_io_vec, bv_page);
  if (!page) return NULL;
  struct folio* folio = folio_of(page);
  __u64 tail = ((__u64)page - (__u64)folio) / bpf_core_type_size(struct page);
  // Of blocks smaller than a page each may have a bio of its own.
  *offset = ((BPF_CORE_READ(folio, index) + tail) << page_shift) +
            BPF_CORE_READ(bio, bi_io_vec, bv_offset);
  return folio_inode(folio);
}

SEC("tp_btf/block_bio_queue")
int BPF_PROG(on_bio_queue, struct bio* bio) {
  if ((bio->bi_opf & REQ_OP_MASK) != REQ_OP_READ) return 0;
  const struct tuneshift_settings* set = get_settings();
  if (!set) return 0;

  __u64 offset = 0;
  bool direct = set->direct_end_io && (__u64)bio->bi_end_io == set->direct_end_io;
  struct inode* inode =
      direct ? direct_inode(bio, &offset) : buffered_inode(bio, set->page_shift, &offset);
  if (!inode) return 0;
  // A stacked device (dm, md) queues the same bytes once more on the device below.
  if (bio->bi_bdev->bd_dev == BPF_CORE_READ(inode, i_sb, s_dev))
    count_neighbour(inode, offset, set);

  struct file_facts file = {};
  // Without a block device the file system's page-cache fills are counted instead.
  if (!describe_file(inode, set, &file) || !file.has_block_device) return 0;
  if (bio->bi_bdev->bd_dev != file.key.device) return 0;
  if (!describe_process(set, &file)) return 0;
  count_miss(&file, offset, bio->bi_iter.bi_size,
             direct ? TUNESHIFT_DIRECT_READ : TUNESHIFT_READ_MISS);
  return 0;
}
