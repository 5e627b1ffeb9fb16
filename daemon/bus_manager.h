// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <tuneshift_adaptor.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/bus_errors.h"
#include "daemon/bus_service.h"
#include "dbus/sdbus.h"

namespace tuneshift {

/// /org/tuneshift1. Reading is for everybody; what changes something or shows other people's files
/// asks the authorizer first.
class ManagerObject : public sdbus::AdaptorInterfaces<org::tuneshift1::Manager_adaptor,
                                                      sdbus::ObjectManager_adaptor> {
 public:
  ManagerObject(sdbus::IConnection& connection, BusContext& context, Authorizer& authorizer,
                std::function<void(const std::string& sender)> watch_sender);
  ManagerObject(const ManagerObject&) = delete;
  ManagerObject& operator=(const ManagerObject&) = delete;
  ~ManagerObject();

  void tell_state();

 private:
  using Options = std::map<std::string, sdbus::Variant>;

  std::string Version() override;
  std::string Mode() override;
  std::string State() override;
  uint32_t Loads() override;
  uint32_t Servers() override;
  std::vector<std::string> ActiveProfiles() override;
  std::map<std::string, sdbus::Struct<std::string, std::string>> Probes() override;
  uint64_t DroppedEvents() override;
  std::map<std::string, uint64_t> Events() override;
  std::map<std::string, uint64_t> Totals() override;

  std::vector<sdbus::Struct<std::string, std::string>> ListProfiles() override;
  std::vector<BusRow> ListHolds() override;
  void Plan(sdbus::Result<BusRows>&& result, std::string profile, Options options) override;
  void Hold(sdbus::Result<uint32_t>&& result, std::string profile, std::string reason,
            Options options) override;
  void Release(sdbus::Result<>&& result, uint32_t cookie) override;
  void SwitchProfile(sdbus::Result<>&& result, std::string profile) override;
  void SetMode(sdbus::Result<>&& result, std::string mode) override;
  void Pause(sdbus::Result<>&& result, uint64_t seconds) override;
  void Reload(sdbus::Result<>&& result) override;
  void ListKnobs(sdbus::Result<BusRows>&& result) override;
  void Rearm(sdbus::Result<>&& result, std::string knob) override;
  void Verify(sdbus::Result<BusRows>&& result) override;
  void Why(sdbus::Result<BusRows>&& result, Options subject) override;
  void History(sdbus::Result<BusRows>&& result, uint64_t since) override;
  void Record(sdbus::Result<>&& result, sdbus::UnixFd socket, Options options) override;
  void StopRecord() override;

  std::string sender();
  /// Asks for `action` and runs `allowed` with the caller's uid, or answers AccessDenied.
  template <typename Result>
  void authorized(std::shared_ptr<Result> result, const std::string& action,
                  std::function<void(uint32_t uid)> allowed);
  /// Runs a reading job on the writer, or answers Busy when too many wait.
  template <typename Result>
  void ask_writer(std::shared_ptr<Result> result, Writer::Job job);
  Result<std::vector<Store>> stores_of(const std::vector<std::string>& devices);

  BusContext& context_;
  Authorizer& authorizer_;
  std::function<void(const std::string&)> watch_sender_;
};

}  // namespace tuneshift
