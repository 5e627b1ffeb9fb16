// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <functional>
#include <map>

#include "daemon/loop.h"
#include "daemon/unique_fd.h"
#include "libtune/event.h"
#include "libtune/kernel_fs.h"
#include "libtune/process_sample.h"
#include "libtune/result.h"

namespace tuneshift {

/// Tells when processes end, by pidfd: no polling, and a reused pid is not mistaken for the old.
class ProcessWatch {
 public:
  using Handler = std::function<void(const ProcessId&)>;

  ProcessWatch(Loop& loop, const KernelFs& kernel, Handler handler)
      : loop_(loop), kernel_(kernel), handler_(std::move(handler)) {}
  ProcessWatch(const ProcessWatch&) = delete;
  ProcessWatch& operator=(const ProcessWatch&) = delete;

  /// Watching twice is once. not_found when it has gone already: the handler is not called then.
  Status add(const ProcessId& process);
  void remove(const ProcessId& process);

 private:
  struct Watched {
    UniqueFd pidfd;
    Source source;  ///< ends before its descriptor does
  };
  Loop& loop_;
  const KernelFs& kernel_;
  Handler handler_;
  std::map<ProcessId, Watched> watched_;
};

/// What a process has in memory and has moved, from its status and io files.
Result<ProcessSample> read_process_sample(const KernelFs& kernel, pid_t pid);

}  // namespace tuneshift
