// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "libtune/detector.h"
#include "libtune/policy.h"

namespace tuneshift {

/// Gives each conclusion of a detector its lease, and takes it back: docs/architecture.md,
/// "Leases".
class LoadLeases {
 public:
  using StoreOf = std::function<Store(const Reader&)>;

  LoadLeases(Policy& policy, StoreOf store_of) : policy_(policy), store_of_(std::move(store_of)) {}

  void set_profiles(std::string loading, std::string serving) {
    loading_profile_ = std::move(loading);
    serving_profile_ = std::move(serving);
  }

  /// `load` is the change's own, or nullptr where it has none.
  void on_change(const LoadChange& change, const Load* load);
  /// A process that served, or loaded, when the daemon before this one ended.
  void take_over(const ProcessId& process, const std::vector<Store>& stores) {
    serve(process, stores);
  }
  /// Whether it served.
  bool on_process_gone(const ProcessId& process);

  /// The processes that serve, each with its lease.
  [[nodiscard]] const std::map<ProcessId, uint64_t>& servers() const { return servers_; }

  /// What the leases of these are called: Lease::owner.
  static std::string suspect_name(const ProcessId& process);
  static std::string load_name(uint32_t load);
  static std::string server_name(const ProcessId& process);

 private:
  void add_suspect(const Reader& reader);
  void end_suspect(const Reader& reader);
  void add_load(const LoadChange& change);
  void end_load(const Load& load);
  void serve(const ProcessId& process, const std::vector<Store>& stores);

  Policy& policy_;
  StoreOf store_of_;
  std::string loading_profile_;
  std::string serving_profile_;
  std::map<Reader, uint64_t> suspects_;
  std::map<uint32_t, uint64_t> loads_;
  std::map<ProcessId, uint64_t> servers_;
};

}  // namespace tuneshift
