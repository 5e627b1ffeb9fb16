// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The kernel's structures, by hand: only the fields that the probes use. Their places are looked up
// in the running kernel's BTF when a program is loaded (preserve_access_index). What differs
// between kernels has a flavour (NAME___WHAT: libbpf ignores what follows the underscores); ask
// bpf_core_field_exists() before using one.
#pragma once

#include <linux/bpf.h>
#include <stdbool.h>

#define PF_KTHREAD 0x00200000

#define S_IFMT 0170000
#define S_IFREG 0100000

#define REQ_OP_MASK 0xff
#define REQ_OP_READ 0
#define REQ_OP_WRITE 1

#define MAP_ANONYMOUS 0x20

#define HUGETLBFS_MAGIC 0x958458f6
#define SB_KERNMOUNT (1UL << 22)  // include/linux/fs.h

#if defined(__TARGET_ARCH_x86)
#define NR_MMAP 9
#elif defined(__TARGET_ARCH_arm64)
#define NR_MMAP 222
#endif

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct block_device {
  __u32 bd_dev;
};

struct super_block {
  __u32 s_dev;
  unsigned long s_flags;
  unsigned long s_magic;
  struct block_device* s_bdev;
};

struct inode {
  unsigned short i_mode;
  struct super_block* i_sb;
  unsigned long i_ino;
  long long i_size;
};

struct address_space {
  struct inode* host;
};

struct page {
  unsigned long compound_head;
};

struct page___7_2 {
  unsigned long compound_info;
};

struct folio {
  struct address_space* mapping;
  unsigned long index;
};

// The size of a large folio: up to 6.12, and later.
struct folio___6_1 {
  unsigned int _folio_nr_pages;
};

struct folio___6_18 {
  unsigned int _nr_pages;
};

// The flags: a number up to 6.12, wrapped in a structure later.
struct folio___plain_flags {
  unsigned long flags;
};

struct memdesc_flags_t___6_18 {
  unsigned long f;
};

struct folio___wrapped_flags {
  struct memdesc_flags_t___6_18 flags;
};

enum pageflags { PG_head = 0 };

struct bvec_iter {
  unsigned int bi_size;
};

struct bio_vec {
  struct page* bv_page;
  unsigned int bv_offset;  // in the page, or behind it in the page's folio
};

struct bio {
  struct block_device* bi_bdev;
  unsigned int bi_opf;
  struct bvec_iter bi_iter;
  void* bi_end_io;
  void* bi_private;
  struct bio_vec* bi_io_vec;
};

struct file {
  struct inode* f_inode;
};

struct kiocb {
  struct file* ki_filp;
  long long ki_pos;
};

struct iomap_dio {
  struct kiocb* iocb;
  long long size;
};

struct nfs_pgio_args {
  __u64 offset;
  __u32 count;
};

struct nfs_pgio_header {
  struct inode* inode;
  void* dreq;  // of an O_DIRECT read
  struct nfs_pgio_args args;
};

struct fdtable {
  unsigned int max_fds;
  struct file** fd;
};

struct files_struct {
  struct fdtable* fdt;
};

struct user_namespace {
  int level;
};

typedef struct {
  __u32 val;
} kuid_t;

struct cred {
  kuid_t euid;
  struct user_namespace* user_ns;
};

struct task_struct {
  unsigned int flags;
  int tgid;
  struct task_struct* real_parent;
  struct task_struct* group_leader;
  __u64 start_boottime;
  char comm[16];
  struct files_struct* files;
  const struct cred* cred;
};

struct vm_unmapped_area_info {
  unsigned long length;
};

struct gendisk {
  int major;
  int first_minor;
};

struct request_queue {
  int id;
  struct gendisk* disk;
};

struct blk_mq_hw_ctx {
  unsigned int queue_num;
};

struct request {
  struct request_queue* q;
  unsigned int cmd_flags;
  unsigned int __data_len;
  __u64 start_time_ns;
  struct blk_mq_hw_ctx* mq_hctx;
  int tag;
  int internal_tag;
};

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
  unsigned long r10;
  unsigned long r8;
  unsigned long orig_ax;
};
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs {
  __u64 regs[31];
  __s32 syscallno;
};
#endif

#pragma clang attribute pop
