// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "daemon/unique_fd.h"
#include "libtune/event.h"

namespace tuneshift {

/// The open file behind a number in a process's descriptor table (pidfd_getfd(2)): shared with the
/// process, so what is done to it is done to the process's own. Empty when the number is not, or no
/// longer, one of a descriptor of this file that reads through the page cache. Asks nothing of the
/// file's store. `root_fd` is the root directory, for proc/self; needs CAP_SYS_PTRACE.
UniqueFd take_descriptor(int root_fd, int pidfd, int number, const FileId& file);

}  // namespace tuneshift
