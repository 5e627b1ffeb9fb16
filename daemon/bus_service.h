// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/authorizer.h"
#include "daemon/bus_connection.h"
#include "daemon/hold_book.h"
#include "daemon/probes.h"
#include "daemon/trace_book.h"
#include "daemon/tuned_watch.h"
#include "daemon/tuner.h"
#include "daemon/writer.h"
#include "dbus/sdbus.h"

namespace tuneshift {

class DeviceObject;
class LoadObject;
class ManagerObject;

/// What the bus objects speak for.
struct BusContext {
  Loop& loop;
  const KernelFs& kernel;
  Writer& writer;
  Recorder& recorder;
  Tuner& tuner;
  HoldBook& holds;
  const Probes& probes;
  /// Reads configuration and profiles again; the mistakes come back as the error's message.
  std::function<Status()> reload;
  TunedWatch& tuned;
  TraceBook& traces;
};

/// All of org.tuneshift1: makes the objects when the bus is there and drops them when it goes.
class BusService {
 public:
  explicit BusService(BusContext context);
  BusService(const BusService&) = delete;
  BusService& operator=(const BusService&) = delete;
  ~BusService();

  void start();
  /// Disks came or went.
  void refresh_devices();

 private:
  void connected(sdbus::IConnection& connection);
  void lost(std::shared_ptr<sdbus::IConnection> connection);
  void add_load(uint32_t id);
  void watch_sender(const std::string& sender);
  void sender_gone(const std::string& sender);
  /// Unless it still has a hold or a recording that ends with it.
  void forget_sender(const std::string& sender);

  BusContext context_;
  std::unique_ptr<Authorizer> authorizer_;
  std::unique_ptr<sdbus::IProxy> bus_;
  std::unique_ptr<ManagerObject> manager_;
  std::map<uint32_t, std::unique_ptr<LoadObject>> loads_;
  std::map<std::string, std::unique_ptr<DeviceObject>> devices_;
  std::map<std::string, sdbus::Slot> senders_;
  std::vector<sdbus::Slot> forgotten_;
  BusConnection connection_;
};

}  // namespace tuneshift
