// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <vector>

#include "daemon/helper/process_dir.h"
#include "libtune/sampling.h"

namespace tuneshift {

/// The regular files of `floor_bytes` or more that a process has open or mapped, the last opened
/// first; none of tmpfs, which has no store. Looks at a bounded number of descriptors and mappings
/// and opens nothing but O_PATH.
std::vector<HeldFile> list_files(const ProcessDir& process, uint64_t floor_bytes);

}  // namespace tuneshift
