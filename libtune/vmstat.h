// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string_view>

#include "libtune/kernel_fs.h"

namespace tuneshift {

/// What the whole machine's memory went through since its boot (proc/vmstat; mm/vmstat.c of the
/// kernel). A counter that the kernel does not have is 0.
struct VmStat {
  uint64_t refaulted_pages = 0;  ///< workingset_refault_file: evicted earlier, needed again
  uint64_t evicted_pages = 0;    ///< pgsteal_file: page cache taken back for lack of memory
  uint64_t major_faults = 0;     ///< pgmajfault
  uint64_t paged_in_kib = 0;     ///< pgpgin: read from block devices, O_DIRECT included
  uint64_t allocated_pages = 0;  ///< pgalloc_*: nothing comes into the page cache without
};

VmStat parse_vmstat(std::string_view text);

/// An error when proc/vmstat cannot be read.
Result<VmStat> read_vmstat(const KernelFs& kernel);

/// What happened between two readings.
VmStat operator-(const VmStat& later, const VmStat& earlier);

}  // namespace tuneshift
