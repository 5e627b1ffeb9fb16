// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "libtune/config.h"
#include "libtune/desired.h"
#include "libtune/lease.h"
#include "libtune/machine.h"
#include "libtune/profile.h"

namespace tuneshift {

struct PolicySettings {
  uint64_t dwell_ms = 60000;
  uint32_t writes_per_hour = 30;
};

/// Turns leases into the one set of wanted knobs. Pure: time and the machine's stores come in.
///
/// Device knobs follow leases at once. Machine-wide knobs that loads and servers ask for change at
/// most once a dwell and writes_per_hour times an hour, and not for a load while anything serves;
/// holds, SwitchProfile and modes are a person's word and count for nothing. Knobs that are used
/// on request only are touched for holds and SwitchProfile alone.
class Policy {
 public:
  enum class State { idle, loading, serving };

  Policy(PolicySettings settings, Profiles profiles)
      : settings_(settings), profiles_(std::move(profiles)) {}

  /// Returns the lease's number, from 1.
  uint64_t add(Lease lease);
  /// False when there is no such lease.
  bool remove(uint64_t id);
  /// Adds a store to a lease's scope, once.
  void extend(uint64_t id, const Store& store);

  /// Takes the store of a bdi that is gone out of every lease. The number of a mount without a disk
  /// ("0:44") names nothing afterwards, also where a person gave it.
  void drop_store(const std::string& bdi);
  /// Gives each lease that names devices the stores they stand for now.
  void look_up(const std::function<std::vector<Store>(const std::vector<std::string>&)>& find);

  /// Others read from the stores of these bdis: for no load or suspect is their read-ahead raised.
  void share(std::set<std::string> bdis) { shared_ = std::move(bdis); }

  void set_mode(Mode mode) { mode_ = mode; }
  void replace(PolicySettings settings, Profiles profiles);

  struct Decision {
    Desired desired;
    /// When a change that was put off is due; empty when none was.
    std::optional<uint64_t> next_ns;
  };

  /// What should be in force now; `machine` has the stores of whole-machine leases. Changes put
  /// off by the dwell or the budget are remembered: call again at next_ns.
  Decision decide(uint64_t now_ns, const Machine& machine);

  /// What one profile alone would ask for on these stores, without any lease: for a dry run.
  [[nodiscard]] Desired expand(const std::string& profile, const std::vector<Store>& stores,
                               const Machine& machine) const;

  [[nodiscard]] State state() const;
  [[nodiscard]] Mode mode() const { return mode_; }
  [[nodiscard]] size_t count(LeaseKind kind) const;
  /// Names of the profiles of all leases in force, sorted.
  [[nodiscard]] std::vector<std::string> active_profiles() const;
  [[nodiscard]] const Profiles& profiles() const { return profiles_; }
  [[nodiscard]] const Lease* lease(uint64_t id) const;

 private:
  struct Candidate {
    Want want;
    LeaseKind kind = LeaseKind::suspect;
    bool machine_wide = false;
  };
  using Candidates = std::map<std::string, Candidate>;

  /// The last word on one machine-wide knob.
  struct Commitment {
    std::optional<Want> want;
    bool by_person = false;
    uint64_t changed_ns = 0;
    std::deque<uint64_t> changes_ns;  ///< automatic changes of the last hour
  };

  /// The leases in force that add something, the strongest last.
  [[nodiscard]] std::vector<const Lease*> by_priority() const;
  void collect(const Lease& lease, const Machine& machine, bool anything_serves,
               Candidates& candidates) const;
  [[nodiscard]] bool in_force(const Lease& lease) const;
  /// Whether it is the read-ahead of a store from which others read.
  [[nodiscard]] bool is_shared(const std::string& knob, const std::vector<Store>& stores) const;
  std::optional<uint64_t> commit(const std::string& knob, const Candidate* candidate,
                                 uint64_t now_ns);

  PolicySettings settings_;
  Profiles profiles_;
  Mode mode_ = Mode::observe;
  std::map<uint64_t, Lease> leases_;
  std::map<std::string, Commitment> machine_wide_;
  std::set<std::string> shared_;  ///< bdis
  uint64_t last_lease_ = 0;
};

/// "idle", "loading" or "serving".
const char* to_string(Policy::State state);

}  // namespace tuneshift
