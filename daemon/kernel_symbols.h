// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "libtune/result.h"

namespace tuneshift {

/// The address of a symbol of the running kernel, from proc/kallsyms under `root`, by the
/// descriptor that is standard input where that is the same file: see systemd/tuneshift.service.
/// not_found when there is none, permission when the kernel hides addresses (kptr_restrict, no
/// CAP_SYSLOG).
Result<uint64_t> kernel_symbol_address(const std::string& root, std::string_view symbol);

}  // namespace tuneshift
