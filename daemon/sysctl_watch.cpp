// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/sysctl_watch.h"

#include "libtune/catalogue.h"
#include "libtune/escape.h"

namespace tuneshift {

SysctlWatch::SysctlWatch(Loop& loop, const KernelFs& kernel, Look look, Know know)
    : kernel_(kernel),
      look_(std::move(look)),
      know_(std::move(know)),
      timer_(loop.timer([this] { on_timer(); })) {}

void SysctlWatch::on_write(const SysctlWrite& write) {
  std::string knob;
  std::string writer;
  if (!write.name.empty()) {
    const auto known = resolve_knob(kernel_, write.name);
    if (!known) return;  // no setting that a profile can have
    knob = known.value().name;
    writer = escape(write.command) + " (pid " + std::to_string(write.process.pid) + ")";
  }
  writes_.on_write(knob, writer, monotonic_ns());
  know_(writes_.writers());
  timer_.set(*writes_.next_ns());
}

void SysctlWatch::on_timer() {
  look_(writes_.take_due(monotonic_ns()));
  know_(writes_.writers());
  if (const auto next = writes_.next_ns()) timer_.set(*next);
}

}  // namespace tuneshift
