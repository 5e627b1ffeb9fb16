// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <systemd/sd-event.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "daemon/drop_protocol.h"
#include "daemon/helper_pool.h"
#include "libtune/event.h"
#include "libtune/result.h"

namespace tuneshift {

/// Lets files that were loaded leave the page cache: one process (tuneshift-drop) a load, which
/// waits until its loader has unmapped them. Nothing here waits for one.
class Dropper {
 public:
  /// Called from the loop once for each start(), unless it was stopped. It may start and stop.
  using Handler = std::function<void(uint32_t load, const DropTask&, const DropReport&)>;

  /// At once: each waits for up to a minute.
  static constexpr unsigned most = 16;

  /// `helper` is the path of tuneshift-drop. The loop must outlive this.
  Dropper(sd_event* loop, std::string helper, Handler handler);

  /// limit_exceeded when there are too many, or too many files.
  Status start(uint32_t load, const DropTask& task);
  /// Whoever reads this file now needs it: its load's files stay.
  void stop(const FileId& file);
  void stop_all();

 private:
  struct Work {
    uint32_t load = 0;
    DropTask task;
  };

  void on_packet(HelperPool::Id id, std::string_view packet);
  void end(HelperPool::Id id, const DropReport& report);

  Handler handler_;
  HelperPool pool_;
  std::map<HelperPool::Id, Work> works_;
};

}  // namespace tuneshift
