// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>

#include "daemon/helper/find_file.h"

namespace tuneshift {

/// Ends the windows that the reader's own descriptors of the file still have from when its store's
/// read-ahead was larger: from Linux 6.13 on a window that reads in order never shrinks
/// (mm/readahead.c page_cache_async_ra()). One read through the same open file that continues
/// nothing begins with a new one; it is of a part of the file that is wanted anyway. May block for
/// as long as the store does.
void end_large_windows(int root_fd, int pidfd, const FoundFile& found, const FileId& file,
                       uint64_t file_size);

}  // namespace tuneshift
