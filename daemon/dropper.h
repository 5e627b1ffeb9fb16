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
  /// Called once for each start(), from the loop or by the calls that stop it.
  using Handler = std::function<void(uint32_t load, const DropTask&, const DropReport&)>;

  /// At once: each waits for up to a minute, and one that a hanging store holds for longer.
  static constexpr unsigned most = 16;
  static constexpr unsigned most_a_user = 4;

  /// `helper` is the path of tuneshift-drop. The loop must outlive this.
  Dropper(sd_event* loop, std::string helper, Handler handler);

  /// limit_exceeded when there are too many at all or for the loader's user, or too many files.
  Status start(uint32_t load, uint32_t uid, const DropTask& task);
  /// No more is dropped of the load that this file is of, or of any; `why` is what the handler is
  /// told, for people.
  void stop(const FileId& file, const char* why);
  void stop_all(const char* why);

 private:
  struct Work {
    uint32_t load = 0;
    DropTask task;
  };

  void stop_if(const std::function<bool(const DropTask&)>& holds, const char* why);
  void on_packet(HelperPool::Id id, std::string_view packet);
  void end(HelperPool::Id id, const DropReport& report);

  Handler handler_;
  HelperPool pool_;
  std::map<HelperPool::Id, Work> works_;
  std::map<HelperPool::Id, uint32_t> users_;  ///< also of those that are stuck
};

}  // namespace tuneshift
