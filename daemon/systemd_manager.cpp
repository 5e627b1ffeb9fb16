// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/systemd_manager.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <string_view>

#include "daemon/loop.h"

namespace tuneshift {

namespace {

constexpr uint64_t call_timeout_us = 2'000'000;
constexpr size_t most_entries = 4096;
constexpr const char* private_socket = "unix:path=/run/systemd/private";
constexpr const char* service = "org.freedesktop.systemd1";
constexpr const char* manager_object = "/org/freedesktop/systemd1";
constexpr const char* manager_interface = "org.freedesktop.systemd1.Manager";

struct BusError {
  BusError() = default;
  BusError(const BusError&) = delete;
  BusError& operator=(const BusError&) = delete;
  ~BusError() { sd_bus_error_free(&error); }
  sd_bus_error error = SD_BUS_ERROR_NULL;
};

ErrorCode code_of(std::string_view name, ErrorCode by_number) {
  struct Named {
    std::string_view name;
    ErrorCode code;
  };
  static constexpr std::array<Named, 9> known = {{
      {"org.freedesktop.systemd1.NoSuchUnit", ErrorCode::not_found},
      {"org.freedesktop.systemd1.BadUnitSetting", ErrorCode::invalid_argument},
      {SD_BUS_ERROR_INVALID_ARGS, ErrorCode::invalid_argument},
      {SD_BUS_ERROR_ACCESS_DENIED, ErrorCode::permission},
      {SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED, ErrorCode::permission},
      {SD_BUS_ERROR_UNKNOWN_PROPERTY, ErrorCode::unsupported},
      {SD_BUS_ERROR_PROPERTY_READ_ONLY, ErrorCode::unsupported},
      {SD_BUS_ERROR_NO_REPLY, ErrorCode::timeout},
      {SD_BUS_ERROR_TIMEOUT, ErrorCode::timeout},
  }};
  const auto* found = std::find_if(known.begin(), known.end(),
                                   [&](const Named& named) { return named.name == name; });
  return found == known.end() ? by_number : found->code;
}

/// `failed` is what sd-bus returned. Without an errno_value: after a time-out the change may still
/// be made, and not_found is said by systemd of a unit alone, never by a socket or a bus.
Error failure(int failed, std::string_view what, const sd_bus_error* reply = nullptr) {
  Error error = errno_error(-failed, what);
  error.message = "systemd: " + error.message;
  error.errno_value = 0;
  if (error.code == ErrorCode::not_found) error.code = ErrorCode::io;
  if (reply != nullptr && reply->name != nullptr) {
    error.code = code_of(reply->name, error.code);
    const char* text = reply->message == nullptr ? reply->name : reply->message;
    error.message = "systemd: " + std::string(what) + ": " + text;
  }
  return error;
}

}  // namespace

Result<SystemdManager> SystemdManager::connect(const std::string& address) {
  auto bus = open(address);
  if (!bus) return bus.error();
  return SystemdManager(std::move(bus).value());
}

Result<SystemdManager::Bus> SystemdManager::open(const std::string& address) {
  const char* const of_bus = address.empty() ? std::getenv("DBUS_SYSTEM_BUS_ADDRESS") : nullptr;
  std::string where = of_bus == nullptr ? address : of_bus;
  const bool with_bus = !where.empty();
  if (!with_bus) where = private_socket;
  sd_bus* opened = nullptr;
  int result = sd_bus_new(&opened);
  Bus bus(opened);
  if (result >= 0) result = sd_bus_set_address(opened, where.c_str());
  if (result >= 0) result = sd_bus_set_bus_client(opened, with_bus ? 1 : 0);
  if (result >= 0) result = sd_bus_set_method_call_timeout(opened, call_timeout_us);
  if (result >= 0) result = sd_bus_start(opened);
  // A call would wait for the greeting by itself, but far longer than for its answer.
  const uint64_t deadline_us = monotonic_ns() / 1000 + call_timeout_us;
  while (result >= 0 && sd_bus_is_ready(opened) == 0) {
    const uint64_t now_us = monotonic_ns() / 1000;
    result = now_us >= deadline_us ? -ETIMEDOUT : sd_bus_process(opened, nullptr);
    if (result == 0) result = sd_bus_wait(opened, deadline_us - now_us);
  }
  if (result >= 0) result = sd_bus_is_ready(opened);
  if (result < 0) return failure(result, "connect to " + where);
  return bus;
}

Result<std::string> SystemdManager::unit_object(const char* method, const std::string& unit) {
  BusError error;
  sd_bus_message* reply = nullptr;
  int result = sd_bus_call_method(bus_.get(), service, manager_object, manager_interface, method,
                                  &error.error, &reply, "s", unit.c_str());
  const Message owner(reply);
  const char* object = nullptr;
  if (result >= 0) result = sd_bus_message_read(reply, "o", &object);
  if (result < 0) return failure(result, unit, &error.error);
  return std::string(object);
}

Result<std::string> SystemdManager::get_unit(const std::string& unit) {
  return unit_object("GetUnit", unit);
}

Result<std::string> SystemdManager::load_unit(const std::string& unit) {
  return unit_object("LoadUnit", unit);
}

Result<SystemdManager::Message> SystemdManager::get(const std::string& object,
                                                    const char* interface, const char* property,
                                                    const char* type) {
  BusError error;
  sd_bus_message* reply = nullptr;
  const int result = sd_bus_get_property(bus_.get(), service, object.c_str(), interface, property,
                                         &error.error, &reply, type);
  if (result < 0) return failure(result, property, &error.error);
  return Message(reply);
}

Result<std::string> SystemdManager::text(const std::string& object, const char* interface,
                                         const char* property) {
  const auto reply = get(object, interface, property, "s");
  if (!reply) return reply.error();
  const char* text = nullptr;
  const int result = sd_bus_message_read(reply.value().get(), "s", &text);
  if (result < 0) return failure(result, property);
  return std::string(text);
}

Result<std::vector<std::string>> SystemdManager::texts(const std::string& object,
                                                       const char* interface,
                                                       const char* property) {
  const auto reply = get(object, interface, property, "as");
  if (!reply) return reply.error();
  sd_bus_message* const message = reply.value().get();
  std::vector<std::string> texts;
  const char* text = nullptr;
  int result = sd_bus_message_enter_container(message, 'a', "s");
  while (result >= 0 && (result = sd_bus_message_read(message, "s", &text)) > 0) {
    if (texts.size() == most_entries) result = -EMSGSIZE;
    texts.emplace_back(text);
  }
  if (result < 0) return failure(result, property);
  return texts;
}

Result<uint64_t> SystemdManager::number(const std::string& object, const char* interface,
                                        const char* property) {
  const auto reply = get(object, interface, property, "t");
  if (!reply) return reply.error();
  uint64_t number = 0;
  const int result = sd_bus_message_read(reply.value().get(), "t", &number);
  if (result < 0) return failure(result, property);
  return number;
}

Result<std::vector<DiskValue>> SystemdManager::disk_values(const std::string& object,
                                                           const char* interface,
                                                           const char* property) {
  const auto reply = get(object, interface, property, "a(st)");
  if (!reply) return reply.error();
  sd_bus_message* const message = reply.value().get();
  std::vector<DiskValue> values;
  const char* path = nullptr;
  uint64_t value = 0;
  int result = sd_bus_message_enter_container(message, 'a', "(st)");
  while (result >= 0 && (result = sd_bus_message_read(message, "(st)", &path, &value)) > 0) {
    if (values.size() == most_entries) result = -EMSGSIZE;
    values.push_back({path, value});
  }
  if (result < 0) return failure(result, property);
  return values;
}

Result<SystemdManager::Message> SystemdManager::start_set(const std::string& unit,
                                                          const char* property) {
  sd_bus_message* made = nullptr;
  int result = sd_bus_message_new_method_call(bus_.get(), &made, service, manager_object,
                                              manager_interface, "SetUnitProperties");
  Message message(made);
  constexpr int runtime = 1;
  if (result >= 0) result = sd_bus_message_append(made, "sb", unit.c_str(), runtime);
  if (result >= 0) result = sd_bus_message_open_container(made, 'a', "(sv)");
  if (result >= 0) result = sd_bus_message_open_container(made, 'r', "sv");
  if (result >= 0) result = sd_bus_message_append(made, "s", property);
  if (result < 0) return failure(result, property);
  return message;
}

Status SystemdManager::finish_set(sd_bus_message* message) {
  BusError error;
  int result = sd_bus_message_close_container(message);
  if (result >= 0) result = sd_bus_message_close_container(message);
  if (result >= 0) result = sd_bus_call(bus_.get(), message, 0, &error.error, nullptr);
  if (result < 0) return failure(result, "SetUnitProperties", &error.error);
  return {};
}

Status SystemdManager::set_number(const std::string& unit, const char* property, uint64_t value) {
  const auto message = start_set(unit, property);
  if (!message) return message.error();
  const int result = sd_bus_message_append(message.value().get(), "v", "t", value);
  return result < 0 ? failure(result, property) : finish_set(message.value().get());
}

Status SystemdManager::set_disk_value(const std::string& unit, const char* property,
                                      const DiskValue& value) {
  const auto message = start_set(unit, property);
  if (!message) return message.error();
  const int result = sd_bus_message_append(message.value().get(), "v", "a(st)", 1,
                                           value.path.c_str(), value.value);
  return result < 0 ? failure(result, property) : finish_set(message.value().get());
}

}  // namespace tuneshift
