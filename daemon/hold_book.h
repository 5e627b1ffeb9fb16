// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "daemon/loop.h"
#include "daemon/recorder.h"
#include "daemon/tuner.h"
#include "libtune/handover.h"
#include "libtune/result.h"

namespace tuneshift {

/// What a client asks for; see docs/dbus.md for the meaning of the options.
struct HoldRequest {
  std::string profile;
  std::string reason;
  std::string sender;  ///< unique bus name
  uint32_t uid = 0;
  uint64_t ttl_s = 0;  ///< 0: no time limit
  int pidfd = -1;      ///< owned by the caller, duplicated here; -1: none
  std::vector<std::string> devices;
};

/// Holds of clients. Each is a lease of the tuner that ends with its process, its time or its
/// sender.
class HoldBook {
 public:
  static constexpr size_t most_per_user = 32;
  static constexpr size_t most_devices = 32;
  static constexpr uint64_t longest_ttl_s = 7ULL * 24 * 3600;

  /// With what runs for it in this daemon.
  struct Hold : Handover::Hold {
    uint64_t lease = 0;
    Source process;
    Timer end;
  };

  HoldBook(Loop& loop, const KernelFs& kernel, Tuner& tuner, Recorder& recorder)
      : loop_(loop), kernel_(kernel), tuner_(tuner), recorder_(recorder) {}
  HoldBook(const HoldBook&) = delete;
  HoldBook& operator=(const HoldBook&) = delete;
  ~HoldBook();

  /// Whether it is one that take() may accept: not_found, no such profile; invalid_argument.
  [[nodiscard]] Status check(const HoldRequest& request) const;
  /// Returns the cookie. not_found: no such profile; invalid_argument; limit_exceeded.
  Result<uint32_t> take(const HoldRequest& request);
  /// not_found when there is none, permission when `sender` did not take it and is not root.
  Status release(uint32_t cookie, const std::string& sender, uint32_t uid);
  /// Adds all holds to what the next daemon in this process is told, with descriptors of their
  /// processes that stay open when it begins.
  void hand_over(Handover& handover);
  /// Goes on with those of the daemon before this one; the bus tells afterwards which senders live.
  void take_over(const Handover& handover);

  void sender_gone(const std::string& sender);
  /// The bus went away, and so did all senders; after hand_over() it is only we who leave it.
  void all_senders_gone();

  /// Whether a hold ends with this sender.
  [[nodiscard]] bool depends_on(const std::string& sender) const;
  [[nodiscard]] const std::map<uint32_t, Hold>& all() const { return holds_; }

  /// Called when the last hold of a sender that must be watched has ended.
  std::function<void(const std::string& sender)> sender_forgotten;

 private:
  /// Watches for its end and gives it its lease.
  void begin(Hold hold, Lease lease);
  void end(uint32_t cookie, const std::string& why);
  Result<uint32_t> pid_of(int pidfd) const;

  Loop& loop_;
  const KernelFs& kernel_;
  Tuner& tuner_;
  Recorder& recorder_;
  std::map<uint32_t, Hold> holds_;
  uint32_t last_cookie_ = 0;
  bool handed_over_ = false;
};

}  // namespace tuneshift
