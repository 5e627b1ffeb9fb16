// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "daemon/loop.h"
#include "dbus/sdbus.h"

namespace tuneshift {

/// The system bus (or the one that DBUS_SYSTEM_BUS_ADDRESS names) on the daemon's loop. When the
/// bus goes away, or is not there yet, it is tried again: after 1 s, then ever later up to 30 s.
class BusConnection {
 public:
  struct Handlers {
    /// Makes the objects of a fresh connection; the name is requested afterwards.
    std::function<void(sdbus::IConnection&)> connected;
    /// Destroys the objects, and the connection once nothing refers to its messages any more.
    std::function<void(std::shared_ptr<sdbus::IConnection>)> lost;
    std::function<void(const std::string& problem)> problem;
  };

  BusConnection(Loop& loop, std::string name, Handlers handlers);
  BusConnection(const BusConnection&) = delete;
  BusConnection& operator=(const BusConnection&) = delete;
  ~BusConnection();

  /// Connects now, or begins trying.
  void start();
  [[nodiscard]] sdbus::IConnection* get() const { return connection_.get(); }

 private:
  void connect();
  void process();
  void prepare();
  void disconnect(const std::string& problem);

  Loop& loop_;
  std::string name_;
  Handlers handlers_;
  std::shared_ptr<sdbus::IConnection> connection_;
  Source io_;
  Timer timeout_;
  Timer retry_;
  uint64_t retry_after_ms_ = 0;
};

}  // namespace tuneshift
