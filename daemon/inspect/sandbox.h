// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "daemon/inspect/process_dir.h"
#include "libtune/result.h"

namespace tuneshift {

/// Becomes the reader's user for good: its uid, gid and groups, no capability, no new privileges,
/// not traceable by that user, small limits.
Status become(const Credentials& credentials);

/// Leaves only the system calls that reading headers and names takes; anything else kills the
/// process. Does nothing under a sanitizer, which needs more.
Status restrict_system_calls();

}  // namespace tuneshift
