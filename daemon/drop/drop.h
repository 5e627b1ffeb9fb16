// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <functional>

#include "daemon/drop_protocol.h"

namespace tuneshift {

/// Waits so many ms; false: no more is wanted.
using DropWait = std::function<bool(uint64_t ms)>;

/// Lets the files' pages go that nobody maps (posix_fadvise(2) POSIX_FADV_DONTNEED leaves mapped
/// and dirty ones, mm/truncate.c mapping_evict_folio()), once the process has none of them mapped
/// in two looks of those after 1, 2, 4 … 32 s. Opens them as its user, where it sees them. Begins
/// as root and gives its privileges up before it waits. Nothing is dropped of a file that is
/// another one by now, nor once the process has ended or runs another program.
DropReport drop_files(int root_fd, const DropTask& task, const DropWait& wait);

}  // namespace tuneshift
