// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <functional>
#include <set>
#include <vector>

#include "daemon/loop.h"
#include "daemon/probes.h"
#include "libtune/event.h"

namespace tuneshift {

/// Looks once more TUNESHIFT_WAIT_NS after an event of a running load, as the programs wake nobody
/// within that time: being woken by each is most of what a fast load costs.
class WaitingEvents {
 public:
  /// `dispatch` hands on what is in the ring buffer; true when it may have left some.
  WaitingEvents(Loop& loop, Probes& probes, std::function<bool()> dispatch);

  /// The readers of all running loads: events of others wake at once.
  void set_readers(const std::vector<Reader>& readers);

  /// Hands on what there is now, and comes back for what was left or may follow.
  void take();
  /// The same at once for all that is there. Not from within `dispatch`.
  void take_all();

  /// Call for each event that `dispatch` hands on.
  void on_event(const Reader& reader);

 private:
  void come_back(uint64_t in_ns);

  Probes& probes_;
  std::function<bool()> dispatch_;
  std::set<Reader> readers_;
  bool may_follow_ = false;
  uint64_t due_ns_ = UINT64_MAX;  ///< when the timer fires, as far as nothing was handed on since
  Timer timer_;
};

}  // namespace tuneshift
