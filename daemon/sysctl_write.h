// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>

#include "libtune/event.h"

namespace tuneshift {

/// A process other than this one is about to write a sysctl: told before the write has its effect,
/// also for one that changes nothing or that the kernel then refuses.
struct SysctlWrite {
  ProcessId process;
  std::string command;  ///< the thread group leader's comm, raw bytes, at most 15
  std::string name;     ///< "vm.swappiness"; cut at 95 bytes; empty where writes were lost untold
};

}  // namespace tuneshift
