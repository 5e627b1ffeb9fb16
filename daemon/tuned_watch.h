// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/loop.h"
#include "daemon/tuned_process.h"
#include "daemon/unique_fd.h"
#include "dbus/sdbus.h"

namespace tuneshift {

/// Tells what tuned keeps in force, whether it is on the bus or not. It waits for signs (the bus's
/// signals, tuned's files, the end of its process), then looks at what is: soon, and some times
/// more within ten seconds, as tuned gives no sign off the bus that it is done. Without a sign
/// nothing is looked at.
class TunedWatch {
 public:
  /// See Applier::follow().
  using Handler = std::function<void(
      const KeptValues& now, const std::optional<KeptValues>& at_death, bool may_have_rolled_back)>;

  TunedWatch(Loop& loop, const KernelFs& kernel, TunedPaths paths, Handler handler,
             std::function<void(const std::string&)> problem);
  TunedWatch(const TunedWatch&) = delete;
  TunedWatch& operator=(const TunedWatch&) = delete;
  ~TunedWatch();

  /// Looks for the first time.
  void start();
  /// Something was seen that tuned may have done, or that may hide it: a change of ours.
  void hint();

  /// Whether a tuned runs that this follows, also one that has begun just now.
  [[nodiscard]] bool is_there();
  /// Its process; 0 when that is not known.
  [[nodiscard]] pid_t process_id() const { return pid_; }

  void connected(sdbus::IConnection& connection);
  void lost();

 private:
  [[nodiscard]] bool is_followed() const { return pid_ != 0 || !owner_.empty(); }
  void watch_files();
  void read_file_events();
  void watch_process();
  void on_exit();
  void on_timer();
  void look();
  void ask_bus();
  void on_owner(const std::string& owner);
  void on_profile_changed(sdbus::Message& message);
  void report(const std::string& profiles);
  /// What tuned has in force, by its files and threads.
  std::string applied_profiles();

  Loop& loop_;
  const KernelFs& kernel_;
  TunedPaths paths_;
  Handler handler_;
  std::function<void(const std::string&)> problem_;

  UniqueFd files_;
  Source file_events_;
  int run_watch_ = -1;
  int config_watch_ = -1;

  pid_t pid_ = 0;
  bool rolled_back_ = false;  ///< it has removed its pid file, the last thing that it does
  UniqueFd process_;
  Source process_end_;

  Timer timer_;
  size_t step_ = 0;
  uint64_t looked_ns_ = 0;
  bool waiting_ = false;

  std::string owner_;  ///< tuned's unique name; empty: not on the bus
  std::unique_ptr<sdbus::IProxy> bus_;
  std::shared_ptr<sdbus::IProxy> tuned_;
  sdbus::IConnection* connection_ = nullptr;
  std::vector<sdbus::Slot> matches_;
  unsigned question_ = 0;

  std::string accepted_;  ///< the profiles that tuned has applied, off the bus
  bool had_post_loaded_ = false;
  bool accepted_is_its_own_ = false;
  uint64_t accepted_thread_ns_ = 0;
  uint64_t answered_thread_ns_ = 0;  ///< of which tuned told on the bus
  KeptValues values_;                ///< told last
  std::string told_problem_;
};

}  // namespace tuneshift
