// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>

#include "libtune/result.h"

namespace tuneshift {

/// What a part that is read through a huge mapping begins on a multiple of.
inline constexpr uint64_t huge_page_bytes = uint64_t{2} << 20;

/// Reads a part of a file into the page cache by touching it through a mapping that is
/// MADV_HUGEPAGE, and waits for it. Where the file system has large folios (xfs; ext4 from Linux
/// 6.16) they become 2 MiB large (do_sync_mmap_readahead(), mm/filemap.c): a reader that maps the
/// file takes one fault for each of them, where WILLNEED leaves folios of a page. What the kernel
/// reads ahead behind the part, 4 MiB or a window, is read as well.
///
/// `first` is a multiple of huge_page_bytes. An error when the kernel has no MADV_POPULATE_READ
/// (before 5.14) or was built without huge pages, or when a page cannot be read: what else of the
/// part has arrived is unknown then. Huge pages that are switched off stay off for memory alone:
/// file systems make large folios as they do for read(2).
Status read_by_huge_mapping(int fd, uint64_t first, uint64_t last);

}  // namespace tuneshift
