// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/connection.h"
#include "dbus/sdbus.h"

namespace tuneshift {

/// The number in "/org/tuneshift1/load/N".
std::optional<uint64_t> load_id(const std::string& path);

/// Collects the daemon's signals, those of its objects included, while the connection is
/// processed. The constructor throws sdbus::Error.
class SignalQueue {
 public:
  explicit SignalQueue(sdbus::IConnection& connection);
  SignalQueue(const SignalQueue&) = delete;
  SignalQueue& operator=(const SignalQueue&) = delete;

  [[nodiscard]] bool empty() const { return signals_.empty(); }
  std::vector<BusSignal> take() { return std::exchange(signals_, {}); }

 private:
  void receive(sdbus::Message& message);
  void receive_owner(sdbus::Message& message);
  void receive_properties(sdbus::Message& message);
  std::vector<BusSignal> signals_;
  std::vector<sdbus::Slot> matches_;
};

}  // namespace tuneshift
