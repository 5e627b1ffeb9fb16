// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "libtune/result.h"

namespace tuneshift {

/// Leaves only the system calls that reading headers and names takes; anything else kills the
/// process.
Status restrict_system_calls();

}  // namespace tuneshift
