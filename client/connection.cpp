// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/connection.h"

#include <tuneshift_proxy.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <type_traits>

#include "client/signals.h"
#include "client/utf8.h"
#include "client/variant_json.h"

namespace tuneshift {

namespace {

constexpr const char* kService = "org.tuneshift1";
constexpr const char* kManagerPath = "/org/tuneshift1";
constexpr const char* kErrorPrefix = "org.tuneshift1.Error.";
constexpr const char* kBusErrorPrefix = "org.freedesktop.DBus.Error.";

using Dictionary = std::map<std::string, sdbus::Variant>;

class ManagerProxy final : public sdbus::ProxyInterfaces<org::tuneshift1::Manager_proxy> {
 public:
  explicit ManagerProxy(sdbus::IConnection& connection)
      : ProxyInterfaces(connection, bus::ServiceName(kService), sdbus::ObjectPath(kManagerPath)) {}
  ~ManagerProxy() = default;

  Dictionary properties() {
    Dictionary all;
    getProxy()
        .callMethod("GetAll")
        .onInterface("org.freedesktop.DBus.Properties")
        .withArguments(std::string(INTERFACE_NAME))
        .storeResultsTo(all);
    return all;
  }

  std::map<sdbus::ObjectPath, std::map<std::string, Dictionary>> objects() {
    std::map<sdbus::ObjectPath, std::map<std::string, Dictionary>> all;
    getProxy()
        .callMethod("GetManagedObjects")
        .onInterface("org.freedesktop.DBus.ObjectManager")
        .storeResultsTo(all);
    return all;
  }

 private:
  // Never registered: signals come through SignalQueue, which serves all objects with one match.
  void onProfileApplied(const std::string&, const std::string&, const uint32_t&,
                        const uint32_t&) override {}
  void onKnobYielded(const std::string&, const std::string&, const std::string&) override {}
};

class LoadProxy final : public sdbus::ProxyInterfaces<org::tuneshift1::Load_proxy> {
 public:
  LoadProxy(sdbus::IConnection& connection, const std::string& path)
      : ProxyInterfaces(connection, bus::ServiceName(kService), sdbus::ObjectPath(path)) {}
  ~LoadProxy() = default;
};

Error absent(std::string message) {
  return {ErrorCode::not_found, std::move(message), {}, ENOTCONN};
}

/// printable(), but for the line ends: a broken profile has several mistakes, a line each.
std::string printable_lines(const std::string& text) {
  std::string out;
  size_t start = 0;
  while (start <= text.size()) {
    const size_t end = std::min(text.find('\n', start), text.size());
    if (start != 0) out += '\n';
    out += printable(text.substr(start, end - start));
    start = end + 1;
  }
  return out;
}

/// The line for a person. `subject` is the profile, knob or cookie that the call was about.
Error translate(const sdbus::Error& error, const std::string& subject) {
  const std::string& name = error.getName();
  const std::string message = printable_lines(error.getMessage());
  const std::string quoted = "'" + printable(subject) + "'";
  const auto is = [&name](const char* prefix, const char* rest) {
    return name == std::string(prefix) + rest;
  };
  if (is(kBusErrorPrefix, "ServiceUnknown") || is(kBusErrorPrefix, "NameHasNoOwner"))
    return absent("tuneshiftd is not running; start it with 'systemctl start tuneshift'");
  if (is(kBusErrorPrefix, "NoReply") || is(kBusErrorPrefix, "Timeout"))
    return absent("tuneshiftd does not answer");
  if (is(kBusErrorPrefix, "Disconnected")) return absent("the system bus went away");
  if (is(kErrorPrefix, "NoSuchProfile"))
    return {ErrorCode::not_found, "no profile " + quoted + "; see 'tuneshiftctl profiles'", {}, 0};
  if (is(kErrorPrefix, "NoSuchKnob"))
    return {ErrorCode::not_found, "no knob " + quoted + "; see 'tuneshiftctl knobs'", {}, 0};
  if (is(kErrorPrefix, "NoSuchHold"))
    return {ErrorCode::not_found, "no hold " + quoted + "; see 'tuneshiftctl holds'", {}, 0};
  if (is(kBusErrorPrefix, "AccessDenied"))
    return {ErrorCode::permission, "not allowed: " + message, {}, 0};
  if (is(kErrorPrefix, "Busy")) return {ErrorCode::busy, "busy: " + message, {}, 0};
  return {ErrorCode::io, message.empty() ? printable(name) : message, {}, 0};
}

/// The one place where exceptions of sdbus-c++ become errors.
template <typename Call>
auto attempt(const std::string& subject, Call call) -> Result<decltype(call())> {
  try {
    if constexpr (std::is_void_v<decltype(call())>) {
      call();
      return {};
    } else {
      return call();
    }
  } catch (const sdbus::Error& error) {
    return translate(error, subject);
  }
}

template <typename Call>
auto attempt(Call call) {
  return attempt(std::string(), std::move(call));
}

}  // namespace

bool is_absent(const Error& error) {
  return error.errno_value == ENOTCONN;
}

struct Daemon::Bus {
  explicit Bus(std::unique_ptr<sdbus::IConnection> bus)
      : connection(std::move(bus)),
        itself(bus::proxy(*connection, "org.freedesktop.DBus", "/org/freedesktop/DBus")),
        manager(*connection) {}

  /// A call of the daemon. The bus would start one that an administrator has stopped.
  template <typename Call>
  auto attempt(const std::string& subject, Call call) {
    return tuneshift::attempt(subject, [&] {
      bool is_there = false;
      itself->callMethod("NameHasOwner")
          .onInterface("org.freedesktop.DBus")
          .withArguments(std::string(kService))
          .storeResultsTo(is_there);
      if (!is_there) throw bus::error(std::string(kBusErrorPrefix) + "ServiceUnknown", "");
      return call();
    });
  }

  template <typename Call>
  auto attempt(Call call) {
    return attempt(std::string(), std::move(call));
  }

  std::unique_ptr<sdbus::IConnection> connection;
  std::unique_ptr<sdbus::IProxy> itself;
  ManagerProxy manager;
  std::optional<SignalQueue> signals;
};

Daemon::Daemon(std::unique_ptr<Bus> bus) : bus_(std::move(bus)) {}
Daemon::~Daemon() = default;

Result<std::unique_ptr<Daemon>> Daemon::connect() {
  try {
    auto bus = std::make_unique<Bus>(sdbus::createSystemBusConnection());
    return std::unique_ptr<Daemon>(new Daemon(std::move(bus)));
  } catch (const sdbus::Error& error) {
    return absent("cannot reach the system bus: " + printable(error.getMessage()));
  }
}

Result<Json> Daemon::manager() {
  return bus_->attempt([this] { return properties_to_json(bus_->manager.properties()); });
}

Result<Json> Daemon::objects() {
  return bus_->attempt([this] {
    std::map<uint64_t, Json> loads;
    Json devices = Json::array();
    for (const auto& [path, interfaces] : bus_->manager.objects()) {
      const auto load = interfaces.find(org::tuneshift1::Load_proxy::INTERFACE_NAME);
      if (const auto id = load_id(path); load != interfaces.end() && id)
        loads[*id] = Json::object().set("id", *id).merge(properties_to_json(load->second));
      const auto device = interfaces.find(org::tuneshift1::Device_proxy::INTERFACE_NAME);
      if (device != interfaces.end()) devices.append(properties_to_json(device->second));
    }
    Json by_id = Json::array();
    for (auto& [id, load] : loads) by_id.append(std::move(load));
    return Json::object().set("loads", std::move(by_id)).set("devices", std::move(devices));
  });
}

Result<Json> Daemon::loads() {
  const auto all = objects();
  if (!all) return all.error();
  return all.value()["loads"];
}

Result<Json> Daemon::devices() {
  const auto all = objects();
  if (!all) return all.error();
  return all.value()["devices"];
}

Result<Json> Daemon::profiles() {
  return bus_->attempt([this] {
    Json list = Json::array();
    for (const auto& profile : bus_->manager.ListProfiles())
      list.append(Json::object().set("name", profile.get<0>()).set("summary", profile.get<1>()));
    return list;
  });
}

Result<Json> Daemon::plan(const std::string& profile, const std::vector<std::string>& devices) {
  return bus_->attempt(profile, [&] {
    Dictionary options;
    if (!devices.empty()) options["devices"] = sdbus::Variant(devices);
    return to_json(bus_->manager.Plan(profile, options));
  });
}

Result<Json> Daemon::holds() {
  return bus_->attempt([this] { return to_json(bus_->manager.ListHolds()); });
}

Result<Json> Daemon::knobs() {
  return bus_->attempt([this] { return to_json(bus_->manager.ListKnobs()); });
}

Result<Json> Daemon::verify() {
  return bus_->attempt([this] { return to_json(bus_->manager.Verify()); });
}

Result<Json> Daemon::why(const Subject& subject) {
  return bus_->attempt(subject.text, [&] {
    Dictionary about;
    if (subject.kind == Subject::Kind::pid) {
      about["pid"] = sdbus::Variant(subject.pid);
    } else {
      about[subject.kind == Subject::Kind::path ? "path" : "knob"] = sdbus::Variant(subject.text);
    }
    return to_json(bus_->manager.Why(about));
  });
}

Result<Json> Daemon::history(uint64_t since_us) {
  return bus_->attempt([&] { return to_json(bus_->manager.History(since_us)); });
}

Result<Json> Daemon::describe_load(uint64_t id) {
  return bus_->attempt([&] {
    LoadProxy load(*bus_->connection, std::string(kManagerPath) + "/load/" + std::to_string(id));
    return to_json(load.Describe());
  });
}

Result<uint32_t> Daemon::hold(const std::string& profile, const HoldOptions& options) {
  return bus_->attempt(profile, [&] {
    Dictionary dictionary;
    if (options.ttl_s) dictionary["ttl"] = sdbus::Variant(*options.ttl_s);
    if (options.pidfd >= 0) dictionary["pidfd"] = sdbus::Variant(sdbus::UnixFd(options.pidfd));
    if (!options.devices.empty()) dictionary["devices"] = sdbus::Variant(options.devices);
    return bus_->manager.Hold(profile, options.reason, dictionary);
  });
}

Status Daemon::release(uint32_t cookie) {
  return bus_->attempt(std::to_string(cookie), [&] { bus_->manager.Release(cookie); });
}

Status Daemon::switch_profile(const std::string& profile) {
  return bus_->attempt(profile, [&] { bus_->manager.SwitchProfile(profile); });
}

Status Daemon::set_mode(const std::string& mode) {
  return bus_->attempt([&] { bus_->manager.SetMode(mode); });
}

Status Daemon::pause(uint64_t seconds) {
  return bus_->attempt([&] { bus_->manager.Pause(seconds); });
}

Status Daemon::reload() {
  return bus_->attempt([this] { bus_->manager.Reload(); });
}

Status Daemon::rearm(const std::string& knob) {
  return bus_->attempt(knob, [&] { bus_->manager.Rearm(knob); });
}

Status Daemon::record(int socket, bool hash_names) {
  return bus_->attempt([&] {
    Dictionary options;
    if (hash_names) options["hash-names"] = sdbus::Variant(true);
    bus_->manager.Record(sdbus::UnixFd(socket), options);
  });
}

Status Daemon::stop_record() {
  return bus_->attempt([this] { bus_->manager.StopRecord(); });
}

Status Daemon::subscribe() {
  return attempt([this] { bus_->signals.emplace(*bus_->connection); });
}

Result<std::vector<BusSignal>> Daemon::wait(int timeout_ms, std::span<pollfd> others) {
  return attempt([&]() -> std::vector<BusSignal> {
    sdbus::IConnection& connection = *bus_->connection;
    while (bus::process_pending(connection)) continue;
    if (bus_->signals && !bus_->signals->empty()) return bus_->signals->take();
    const auto data = connection.getEventLoopPollData();
    std::vector<pollfd> polled = {{.fd = data.fd, .events = data.events, .revents = 0}};
    polled.insert(polled.end(), others.begin(), others.end());
    const int bus_timeout_ms = data.getPollTimeout();
    if (bus_timeout_ms >= 0 && (timeout_ms < 0 || bus_timeout_ms < timeout_ms))
      timeout_ms = bus_timeout_ms;
    if (poll(polled.data(), polled.size(), timeout_ms) < 0) return {};
    std::copy(polled.begin() + 1, polled.end(), others.begin());
    while (bus::process_pending(connection)) continue;
    return bus_->signals ? bus_->signals->take() : std::vector<BusSignal>();
  });
}

}  // namespace tuneshift
