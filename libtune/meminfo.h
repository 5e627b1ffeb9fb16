// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string_view>

#include "libtune/kernel_fs.h"

namespace tuneshift {

/// A line of proc/meminfo ("MemTotal") in KiB; unsupported when there is no such line.
Result<int64_t> read_meminfo(const KernelFs& kernel, std::string_view line);

}  // namespace tuneshift
