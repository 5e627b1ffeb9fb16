// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <tuneshift_adaptor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "daemon/bus_errors.h"
#include "daemon/bus_service.h"
#include "dbus/sdbus.h"

namespace tuneshift {

/// /org/tuneshift1/load/N: a running load, or one of the last 64 that ended.
class LoadObject
    : public sdbus::AdaptorInterfaces<org::tuneshift1::Load_adaptor, sdbus::ManagedObject_adaptor> {
 public:
  LoadObject(sdbus::IConnection& connection, BusContext& context, Authorizer& authorizer,
             uint32_t id);
  LoadObject(const LoadObject&) = delete;
  LoadObject& operator=(const LoadObject&) = delete;
  ~LoadObject();

  void tell_changed();

 private:
  std::string State() override;
  std::vector<std::string> Devices() override;
  uint64_t BytesTotal() override;
  uint64_t BytesLoaded() override;
  uint64_t Rate() override;
  uint64_t TimeLeft() override;
  uint64_t Started() override;
  uint64_t Finished() override;
  std::string Assistance() override;
  void Describe(sdbus::Result<BusRow>&& result) override;
  void Cancel(sdbus::Result<>&& result) override;

  const LoadView& view() const;

  BusContext& context_;
  Authorizer& authorizer_;
  uint32_t id_;
};

/// /org/tuneshift1/device/NAME: a disk and its latency since the daemon's start.
class DeviceObject : public sdbus::AdaptorInterfaces<org::tuneshift1::Device_adaptor,
                                                     sdbus::ManagedObject_adaptor> {
 public:
  DeviceObject(sdbus::IConnection& connection, BusContext& context, const std::string& name);
  DeviceObject(const DeviceObject&) = delete;
  DeviceObject& operator=(const DeviceObject&) = delete;
  ~DeviceObject();

 private:
  std::string Name() override { return name_; }
  std::string Model() override;
  std::string Transport() override;
  std::map<std::string, std::string> Queue() override;
  std::vector<uint64_t> ReadLatency() override;
  std::vector<uint64_t> WriteLatency() override;
  std::vector<uint64_t> ReadQueueLatency() override;
  std::vector<uint64_t> WriteQueueLatency() override;
  std::vector<uint64_t> ReadSizes() override;
  std::vector<uint64_t> WriteSizes() override;

  [[nodiscard]] LatencyHistogram latency() const;

  BusContext& context_;
  std::string name_;
};

}  // namespace tuneshift
