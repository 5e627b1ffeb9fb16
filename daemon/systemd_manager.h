// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <systemd/sd-bus.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "libtune/result.h"

namespace tuneshift {

/// A value that systemd keeps for one of several disks.
struct DiskValue {
  std::string path;  ///< as whoever set it named the disk: "/dev/vda", but also "/var"
  uint64_t value = 0;
};

/// A connection to systemd's manager (org.freedesktop.systemd1(5)); no call takes longer than 2 s.
/// Meant for one question: on its private socket systemd sends every signal to every client, and a
/// connection that is kept without being read would fill up inside PID 1.
class SystemdManager {
 public:
  /// Connects to the bus at `address`; when it is empty, to the one in DBUS_SYSTEM_BUS_ADDRESS;
  /// without that to systemd's private socket, which answers root with no bus, also at shutdown.
  static Result<SystemdManager> connect(const std::string& address = {});

  /// The object of a unit that is loaded; not_found for any other.
  Result<std::string> get_unit(const std::string& unit);
  /// The object of a unit, which is loaded for that; its LoadState says whether there is one.
  Result<std::string> load_unit(const std::string& unit);

  Result<std::string> text(const std::string& object, const char* interface, const char* property);
  Result<std::vector<std::string>> texts(const std::string& object, const char* interface,
                                         const char* property);
  Result<uint64_t> number(const std::string& object, const char* interface, const char* property);
  Result<std::vector<DiskValue>> disk_values(const std::string& object, const char* interface,
                                             const char* property);

  /// SetUnitProperties, until the next boot. The unit's control group follows a moment later.
  Status set_number(const std::string& unit, const char* property, uint64_t value);
  Status set_disk_value(const std::string& unit, const char* property, const DiskValue& value);

 private:
  struct Close {
    void operator()(sd_bus* bus) const { sd_bus_close_unref(bus); }
  };
  struct Unref {
    void operator()(sd_bus_message* message) const { sd_bus_message_unref(message); }
  };
  using Bus = std::unique_ptr<sd_bus, Close>;
  using Message = std::unique_ptr<sd_bus_message, Unref>;

  explicit SystemdManager(Bus bus) : bus_(std::move(bus)) {}
  static Result<Bus> open(const std::string& address);
  Result<std::string> unit_object(const char* method, const std::string& unit);
  Result<Message> get(const std::string& object, const char* interface, const char* property,
                      const char* type);
  Result<Message> start_set(const std::string& unit, const char* property);
  Status finish_set(sd_bus_message* message);

  Bus bus_;
};

}  // namespace tuneshift
