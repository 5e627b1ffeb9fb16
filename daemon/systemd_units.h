// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "daemon/knob_router.h"
#include "daemon/systemd_manager.h"
#include "daemon/unit_trace.h"

namespace tuneshift {

/// The control group settings of named units, asked of systemd and never written beside it:
/// "UNIT/CPUWeight", "UNIT/IOWeight", "UNIT/MemoryLow", and for each disk
/// "UNIT/IODeviceLatencyTargetUSec/vda", "UNIT/IOReadBandwidthMax/vda",
/// "UNIT/IOWriteBandwidthMax/vda" (systemd.resource-control(5); bytes, µs, bytes a second).
///
/// They read as decimal numbers, or "unset" where systemd keeps none; MemoryLow without an upper
/// bound is "infinity". The same is taken.
///
/// A unit that is not active is not_found, unless its setting is still ours: then it can be read
/// and put back. A unit of Kubernetes' own is refused (permission): the kubelet owns it.
class SystemdUnits : public KnobBackend {
 public:
  struct Options {
    std::string traces;   ///< directory of what is to be remembered; see UnitTraces
    std::string address;  ///< as SystemdManager::connect() takes it
    bool allow_kubernetes = false;
    std::string runtime_directory = "/run/systemd";  ///< drop-ins elsewhere are not touched
  };

  /// `kernel` must outlive this.
  SystemdUnits(const KernelFs& kernel, Options options);

  Result<std::string> read(std::string_view rest) override;

  /// Puts a setting into force. With the text that was read before the first write the drop-in
  /// that systemd made for it goes away as well, if it was not there before.
  Status write(std::string_view rest, std::string_view value) override;

  struct Property;
  /// One knob, as its path names it.
  struct Setting {
    std::string unit;
    const char* interface = nullptr;
    const Property* property = nullptr;
    std::string disk;  ///< "/dev/vda", or empty
    std::string trace;
  };

 private:
  struct Found {
    SystemdManager manager;
    std::string object;
    std::optional<UnitTrace> trace;
  };

  Result<Found> find(const Setting& setting);
  Result<std::string> object_of(SystemdManager& manager, const Setting& setting, bool is_ours);
  Status check_state(SystemdManager& manager, const std::string& object, const Setting& setting,
                     const std::optional<UnitTrace>& trace);
  Status check_owner(const Setting& setting, const std::string& control_group) const;
  /// The drop-in that systemd keeps for the property until the next boot; empty when there is none.
  Result<std::string> drop_in_of(Found& found, const Setting& setting) const;
  Status change(Found& found, const Setting& setting, uint64_t value);
  Status settle(Found& found, const Setting& setting);
  void erase(const std::string& drop_in, const Setting& setting) const;

  const KernelFs& kernel_;
  Options options_;
  UnitTraces traces_;
  std::mutex mutex_;
};

}  // namespace tuneshift
