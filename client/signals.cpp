// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/signals.h"

#include <charconv>
#include <functional>
#include <map>
#include <string_view>

#include "client/variant_json.h"

namespace tuneshift {

namespace {

constexpr const char* kManager = "org.tuneshift1.Manager";
constexpr const char* kLoad = "org.tuneshift1.Load";

using Dictionary = std::map<std::string, sdbus::Variant>;

/// A message that is not what the contract says is dropped: sd-bus must not see an exception.
template <typename Receive>
std::function<void(sdbus::Message&)> tolerant(Receive receive) {
  return [receive](sdbus::Message& message) {
    try {
      receive(message);
    } catch (const sdbus::Error&) {
      message.clearFlags();
    }
  };
}

}  // namespace

std::optional<uint64_t> load_id(const std::string& path) {
  constexpr std::string_view kPrefix = "/org/tuneshift1/load/";
  if (!path.starts_with(kPrefix)) return std::nullopt;
  uint64_t id = 0;
  const char* end = path.data() + path.size();
  const auto [stop, failed] = std::from_chars(path.data() + kPrefix.size(), end, id);
  if (failed != std::errc() || stop != end) return std::nullopt;
  return id;
}

SignalQueue::SignalQueue(sdbus::IConnection& connection) {
  matches_.push_back(bus::add_match(
      connection, "type='signal',sender='org.tuneshift1',path_namespace='/org/tuneshift1'",
      tolerant([this](sdbus::Message& message) { receive(message); })));
  matches_.push_back(
      bus::add_match(connection,
                     "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
                     "member='NameOwnerChanged',arg0='org.tuneshift1'",
                     tolerant([this](sdbus::Message& message) { receive_owner(message); })));
}

void SignalQueue::receive_owner(sdbus::Message& message) {
  std::string name;
  std::string before;
  std::string after;
  message >> name >> before >> after;
  const auto kind =
      after.empty() ? BusSignal::Kind::daemon_stopped : BusSignal::Kind::daemon_started;
  signals_.push_back({kind, 0, Json::object()});
}

void SignalQueue::receive(sdbus::Message& message) {
  const std::string member = message.getMemberName();
  const std::string interface = message.getInterfaceName();
  if (interface == kManager && member == "ProfileApplied") {
    std::string profile;
    std::string reason;
    uint32_t written = 0;
    uint32_t failed = 0;
    message >> profile >> reason >> written >> failed;
    Json values = Json::object();
    values.set("profile", profile).set("reason", reason);
    values.set("written", written).set("failed", failed);
    signals_.push_back({BusSignal::Kind::profile_applied, 0, std::move(values)});
  } else if (interface == kManager && member == "KnobYielded") {
    std::string knob;
    std::string ours;
    std::string theirs;
    message >> knob >> ours >> theirs;
    Json values = Json::object();
    values.set("knob", knob).set("ours", ours).set("theirs", theirs);
    signals_.push_back({BusSignal::Kind::knob_yielded, 0, std::move(values)});
  } else if (member == "InterfacesAdded") {
    sdbus::ObjectPath path;
    std::map<std::string, Dictionary> interfaces;
    message >> path >> interfaces;
    const auto id = load_id(path);
    const auto load = interfaces.find(kLoad);
    if (id && load != interfaces.end())
      signals_.push_back({BusSignal::Kind::load_appeared, *id, properties_to_json(load->second)});
  } else if (member == "InterfacesRemoved") {
    sdbus::ObjectPath path;
    message >> path;
    if (const auto id = load_id(path))
      signals_.push_back({BusSignal::Kind::load_removed, *id, Json::object()});
  } else if (member == "PropertiesChanged") {
    receive_properties(message);
  }
}

void SignalQueue::receive_properties(sdbus::Message& message) {
  std::string interface;
  Dictionary changed;
  message >> interface >> changed;
  const auto id = load_id(message.getPath());
  if (interface == kManager) {
    signals_.push_back({BusSignal::Kind::manager_changed, 0, properties_to_json(changed)});
  } else if (interface == kLoad && id) {
    signals_.push_back({BusSignal::Kind::load_changed, *id, properties_to_json(changed)});
  }
}

}  // namespace tuneshift
