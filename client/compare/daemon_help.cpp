// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/compare/daemon_help.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "client/format.h"

namespace tuneshift {

namespace {

// Should even the keeper be killed, the pause ends by itself.
constexpr uint64_t kPauseSeconds = 120;
// A queue that freezes takes tens of milliseconds; the daemon gives up on one after two seconds.
constexpr std::chrono::seconds kPutBackTime{5};
constexpr std::chrono::milliseconds kLookAgain{5};

bool has_ours(const Json& knobs) {
  const auto& rows = knobs.items();
  return std::any_of(rows.begin(), rows.end(),
                     [](const Json& row) { return row["state"].text() == "ours"; });
}

}  // namespace

Result<DaemonHelp> DaemonHelp::connect(Keeper& keeper) {
  auto daemon = Daemon::connect();
  if (!daemon) {
    DaemonHelp none(nullptr, keeper);
    none.why_not_ = daemon.error().message;
    return none;
  }
  DaemonHelp assistance(std::move(daemon.value()), keeper);
  const auto manager = assistance.daemon_->manager();
  if (!manager && !is_absent(manager.error())) return manager.error();
  if (!manager) {
    assistance.why_not_ = manager.error().message;
    assistance.daemon_.reset();
    return assistance;
  }
  assistance.since_us_ = now_us();
  assistance.mode_before_ = manager.value()["mode"].text();
  assistance.mode_now_ = assistance.mode_before_;
  if (assistance.mode_before_ == "paused") {
    assistance.why_not_ = "somebody paused it; 'tuneshiftctl mode MODE' ends that";
    assistance.daemon_.reset();
  }
  return assistance;
}

Status DaemonHelp::stand_aside() {
  if (!daemon_) return {};
  if (Status ours = begin_change("paused"); !ours) return ours;
  // What the pause ends in.
  if (mode_now_ != mode_before_ && mode_now_ != "paused") {
    if (Status back = daemon_->set_mode(mode_before_); !back) return back;
  }
  if (Status paused = daemon_->pause(kPauseSeconds); !paused) return paused;
  mode_now_ = "paused";
  return wait_until_put_back();
}

Status DaemonHelp::help() {
  if (Status ours = begin_change("auto"); !ours) return ours;
  Status done = daemon_->set_mode("auto");
  if (done) mode_now_ = "auto";
  return done;
}

Status DaemonHelp::renew() {
  if (!daemon_ || mode_now_ != "paused") return {};
  if (Status ours = expect_our_mode(); !ours) return ours;
  return daemon_->pause(kPauseSeconds);
}

Status DaemonHelp::expect_our_mode() {
  const auto manager = daemon_->manager();
  if (!manager) return manager.error();
  const std::string mode = manager.value()["mode"].text();
  if (mode == mode_now_) return {};
  return Error{ErrorCode::busy, "somebody has changed the mode to '" + mode + "' meanwhile", {}, 0};
}

Status DaemonHelp::begin_change(const std::string& mode) {
  if (Status ours = expect_our_mode(); !ours) return ours;
  return keeper_.keep_mode(mode_before_, {mode_now_, mode});
}

std::string DaemonHelp::why_no_load(const std::set<uint64_t>& pids) const {
  if (!daemon_ || pids.empty()) return {};
  const auto history = daemon_->history(since_us_);
  if (!history) return {};  // not everybody may ask
  std::string why =
      "it saw no load: files below its size floor and reads past the page cache "
      "of FUSE and NFS are not looked at";
  for (const Json& row : history.value().items()) {
    if (!pids.contains(row["pid"].number())) continue;
    const std::string kind = row["kind"].text();
    if (kind == "started") return {};
    if (kind == "rejected") why = row["reason"].text();
  }
  return why;
}

Status DaemonHelp::wait_until_put_back() {
  const auto deadline = std::chrono::steady_clock::now() + kPutBackTime;
  while (true) {
    const auto knobs = daemon_->knobs();
    if (!knobs) return knobs.error();
    if (!has_ours(knobs.value())) return {};
    if (std::chrono::steady_clock::now() > deadline)
      return Error{ErrorCode::timeout, "tuneshiftd does not put everything back", {}, 0};
    std::this_thread::sleep_for(kLookAgain);
  }
}

}  // namespace tuneshift
