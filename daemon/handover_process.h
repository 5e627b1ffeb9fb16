// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/loop.h"
#include "daemon/unique_fd.h"
#include "libtune/handover.h"
#include "libtune/kernel_fs.h"

namespace tuneshift {

/// Executes `program` with these arguments in place of this process, and leaves it the handover.
/// Returns only when that fails. No thread but the calling one may be in the kernel.
Status replace_process(const std::string& program, const std::vector<std::string>& arguments,
                       const Handover& handover);

/// What the daemon before this one in the same process left.
struct Inherited {
  Handover handover;
  /// Its requests to PM QoS, to be closed when others stand in their place.
  std::vector<UniqueFd> latency_requests;
};

/// Takes it, once; nothing at an ordinary start. Where it cannot be read, which is logged, the
/// descriptors that were left with it are closed. Call it while nothing else opens any.
std::optional<Inherited> take_handover(const KernelFs& kernel);

/// Requests to PM QoS end with their descriptor: has those of this process go on when another
/// program is executed. Call it while no other thread opens or closes any.
void keep_latency_requests(const KernelFs& kernel);

/// Helpers of the daemon before this one: they end by themselves, and somebody has to reap them.
class InheritedChildren {
 public:
  InheritedChildren(Loop& loop, const KernelFs& kernel);

 private:
  struct Child {
    UniqueFd pidfd;
    Source source;  ///< ends before its descriptor does
  };
  std::map<pid_t, Child> children_;
};

}  // namespace tuneshift
