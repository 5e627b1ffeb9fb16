// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <systemd/sd-event.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "libtune/result.h"

namespace tuneshift {

/// The running processes of one helper program (spawn_helper()), from their start until the kernel
/// has let go of them. Nothing here waits for one: it is killed, and its end seen by the loop.
class HelperPool {
 public:
  using Id = uint64_t;
  /// Called from the loop; they may call the pool.
  struct Handlers {
    std::function<void(Id, std::string_view packet)> on_packet;
    /// It ended without stop(); all that it had said came before. "signal 9" or "status 1".
    std::function<void(Id, const std::string& how)> on_end;
    /// One that was stopped is gone as well, however long that took.
    std::function<void(Id)> on_stopped;
  };

  /// `most` processes at once, those that outlive SIGKILL counted; packets of up to `packet_bytes`.
  /// The loop must outlive the pool.
  HelperPool(sd_event* loop, std::string program, unsigned most, size_t packet_bytes,
             Handlers handlers);
  HelperPool(const HelperPool&) = delete;
  HelperPool& operator=(const HelperPool&) = delete;
  ~HelperPool();

  /// With this packet in its socket. limit_exceeded when there are too many.
  Result<Id> start(std::string_view packet);
  /// Lost on one that does not take its packets.
  void say(Id id, std::string_view packet);
  /// Kills it; nothing more is heard of it. Unknown numbers are fine.
  void stop(Id id);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tuneshift
