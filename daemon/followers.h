// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <systemd/sd-event.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "daemon/follow_protocol.h"
#include "daemon/helper_pool.h"
#include "libtune/event.h"
#include "libtune/result.h"

namespace tuneshift {

/// Follows how far readers are with their files while somebody else reads them: their misses tell
/// no longer. One process (tuneshift-follow) a reader, as a look at its memory may wait for ever.
class Followers {
 public:
  /// Called from the loop each time that a reader has got on. It may start and stop.
  using Handler = std::function<void(const Reader&, const FollowReport&)>;

  /// At once.
  static constexpr unsigned most = 64;

  /// `helper` is the path of tuneshift-follow; `on_lost` is called when one ended by itself, be it
  /// with its reader. The loop must outlive this.
  Followers(sd_event* loop, std::string helper, Handler handler, std::function<void()> on_lost);

  /// Does nothing for one that is followed. limit_exceeded when there are too many.
  Status start(const Reader& reader, uint64_t file_size);
  void stop(const Reader& reader);
  [[nodiscard]] bool follows(const Reader& reader) const { return readers_.contains(reader); }

 private:
  void on_packet(HelperPool::Id id, std::string_view packet);
  void forget(HelperPool::Id id);

  Handler handler_;
  std::function<void()> on_lost_;
  HelperPool pool_;
  std::map<Reader, HelperPool::Id> readers_;
};

}  // namespace tuneshift
