// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "daemon/inspect_request.h"
#include "libtune/facts.h"
#include "libtune/result.h"

namespace tuneshift {

/// Everything about one reader and its file. Afterwards this process is the reader's user, without
/// privileges, and good for nothing but to report and exit.
Result<Facts> inspect(int root_fd, const Inquiry& inquiry);

}  // namespace tuneshift
