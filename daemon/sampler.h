// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "daemon/loop.h"
#include "libtune/event.h"
#include "libtune/kernel_fs.h"
#include "libtune/result.h"
#include "libtune/sampling.h"
#include "libtune/vmstat.h"

namespace tuneshift {

/// Takes the place of probes that this kernel refuses: looks at proc(5) at a slow rate, and further
/// than at the machine's counters only while these say that something may be read. Off, without a
/// timer, while the probes see every store. Lives on the loop's thread, and touches nothing there
/// that may block: which files a process holds the inspector finds out.
class Sampler {
 public:
  struct Senses {
    std::function<void(const ProcessId&)> list_files;
    /// False when no more is wanted of this reader.
    std::function<bool(const Event&, bool from_birth)> on_event;
  };

  /// A look each `period_ms`. The loop and `kernel` must outlive it.
  Sampler(Loop& loop, const KernelFs& kernel, uint64_t period_ms, Senses senses);
  Sampler(const Sampler&) = delete;
  Sampler& operator=(const Sampler&) = delete;

  /// From now on these stores; none: off.
  void set_stores(SampledStores stores);
  /// The answer to `list_files`.
  void on_files(const ProcessId& process, const Result<std::vector<HeldFile>>& files);

 private:
  void look();
  void see_processes();
  void see(const std::string& pid, uint64_t now_ns, uint64_t boot_ns);

  const KernelFs& kernel_;
  const uint64_t period_ns_;
  Senses senses_;
  Timer timer_;
  SampledStores stores_;
  Sampling sampling_;
  VmStat machine_;
  pid_t next_pid_ = 0;                         ///< where the next look goes on
  std::map<ProcessId, std::string> commands_;  ///< of those that were asked
};

}  // namespace tuneshift
