// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>

#include "libtune/catalogue.h"

namespace tuneshift {

/// Whether a write-back limit may go from `current` to `wanted` now. Lowering one below what is
/// dirty stops every writer of the machine until the disks have caught up
/// (mm/page-writeback.c, balance_dirty_pages()). True for every other knob, and where
/// proc/meminfo does not tell.
bool writeback_allows(const KernelFs& kernel, const Knob& knob, const std::string& current,
                      const std::string& wanted);

}  // namespace tuneshift
