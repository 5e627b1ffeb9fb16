// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

// sdbus-c++ as the distribution has it: 1.2 (Debian 12) or 2.x (13), and what differs between them
// under names of ours.
#include <sdbus-c++/sdbus-c++.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tuneshift::bus {

#if __has_include(<sdbus-c++/VTableItems.h>)

using ServiceName = sdbus::ServiceName;
using PropertyName = sdbus::PropertyName;
using ErrorName = sdbus::Error::Name;
/// What a callback of an asynchronous call is told; false where the call succeeded.
using MaybeError = std::optional<sdbus::Error>;

inline bool process_pending(sdbus::IConnection& connection) {
  return connection.processPendingEvent();
}

/// CLOCK_MONOTONIC in µs; nothing where no call waits for an answer.
inline std::optional<uint64_t> poll_deadline_us(const sdbus::IConnection::PollData& data) {
  if (data.timeout == std::chrono::microseconds::max()) return std::nullopt;
  return data.timeout.count();
}

inline sdbus::Slot add_match(sdbus::IConnection& connection, const std::string& rule,
                             std::function<void(sdbus::Message&)> handler) {
  return connection.addMatch(
      rule, [handler = std::move(handler)](sdbus::Message message) { handler(message); },
      sdbus::return_slot);
}

/// Of the call that is being answered.
inline std::string sender_of(const sdbus::IObject& object) {
  return object.getCurrentlyProcessedMessage().getSender();
}

#else

using ServiceName = std::string;
using PropertyName = std::string;
using ErrorName = std::string;
using MaybeError = const sdbus::Error*;

inline bool process_pending(sdbus::IConnection& connection) {
  return connection.processPendingRequest();
}

inline std::optional<uint64_t> poll_deadline_us(const sdbus::IConnection::PollData& data) {
  if (data.timeout_usec == std::numeric_limits<uint64_t>::max()) return std::nullopt;
  return data.timeout_usec;
}

inline sdbus::Slot add_match(sdbus::IConnection& connection, const std::string& rule,
                             std::function<void(sdbus::Message&)> handler) {
  return connection.addMatch(rule, std::move(handler));
}

inline std::string sender_of(const sdbus::IObject& object) {
  return object.getCurrentlyProcessedMessage()->getSender();
}

#endif

inline std::unique_ptr<sdbus::IProxy> proxy(sdbus::IConnection& connection,
                                            const std::string& service, const std::string& path) {
  return sdbus::createProxy(connection, ServiceName(service), sdbus::ObjectPath(path));
}

inline sdbus::Error error(const std::string& name, const std::string& message) {
  return {ErrorName(name), message};
}

inline void tell_changed(sdbus::IObject& object, const char* interface,
                         std::initializer_list<const char*> properties) {
  object.emitPropertiesChangedSignal(
      interface, std::vector<PropertyName>(properties.begin(), properties.end()));
}

}  // namespace tuneshift::bus
