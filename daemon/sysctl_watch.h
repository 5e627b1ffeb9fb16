// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <functional>

#include "daemon/loop.h"
#include "daemon/sysctl_write.h"
#include "libtune/foreign_writes.h"
#include "libtune/kernel_fs.h"

namespace tuneshift {

/// Turns the news of a sysctl write into a look at its knob once the write has had its effect.
class SysctlWatch {
 public:
  /// `look` gets the knobs to look at; an empty name means all, because writes were lost untold.
  using Look = std::function<void(const Writers&)>;

  /// `know` gets who wrote what lately, before any look: another one may come first.
  using Know = std::function<void(const Writers&)>;

  SysctlWatch(Loop& loop, const KernelFs& kernel, Look look, Know know);

  void on_write(const SysctlWrite& write);

 private:
  void on_timer();

  const KernelFs& kernel_;
  Look look_;
  Know know_;
  ForeignWrites writes_;
  Timer timer_;
};

}  // namespace tuneshift
