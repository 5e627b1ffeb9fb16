// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Pages and folios, across the kernels that lay them out differently.
#pragma once

#include "kernel_types.h"
// kernel_types.h goes first: the helpers below need its types.
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define MAPPING_FLAGS 3UL  // in the pointer folio->mapping: anonymous memory, movable pages

// The folio that a page belongs to. A tail page says where its head is: by its address up to 7.1;
// later either so or by a mask for the page's own address, as the kernel was configured.
static __always_inline struct folio* folio_of(struct page* page) {
  unsigned long info;
  struct page___7_2* newer = (void*)page;
  if (bpf_core_field_exists(newer->compound_info))
    info = BPF_CORE_READ(newer, compound_info);
  else
    info = BPF_CORE_READ(page, compound_head);
  if (!(info & 1)) return (struct folio*)page;
  info &= ~1UL;
  bool is_mask = ((~info) & (~info + 1)) == 0;
  return (struct folio*)(is_mask ? (unsigned long)page & info : info);
}

// The inode whose page cache a folio is in; NULL for anonymous memory and for none.
static __always_inline struct inode* folio_inode(struct folio* folio) {
  unsigned long mapping = (unsigned long)BPF_CORE_READ(folio, mapping);
  if (!mapping || (mapping & MAPPING_FLAGS)) return NULL;
  return BPF_CORE_READ((struct address_space*)mapping, host);
}

// Of a folio that the tracepoint gave: the verifier knows its type, so that it is read directly.
static __always_inline unsigned long folio_flags(struct folio* folio) {
  struct folio___wrapped_flags* wrapped = (void*)folio;
  if (bpf_core_field_exists(wrapped->flags.f)) return wrapped->flags.f;
  struct folio___plain_flags* plain = (void*)folio;
  return plain->flags;
}

// The same.
static __always_inline unsigned long folio_pages(struct folio* folio) {
  unsigned int head_bit = bpf_core_enum_value(enum pageflags, PG_head);
  if (!(folio_flags(folio) & (1UL << head_bit))) return 1;
  struct folio___6_18* newer = (void*)folio;
  if (bpf_core_field_exists(newer->_nr_pages)) return newer->_nr_pages;
  struct folio___6_1* older = (void*)folio;
  if (bpf_core_field_exists(older->_folio_nr_pages)) return older->_folio_nr_pages;
  return 1;
}
