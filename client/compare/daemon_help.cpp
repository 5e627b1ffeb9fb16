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
  if (assistance.mode_before_ == "paused") {
    assistance.why_not_ = "somebody paused it; 'tuneshiftctl mode auto' ends that";
    assistance.daemon_.reset();
  }
  return assistance;
}

Status DaemonHelp::stand_aside() {
  if (!daemon_) return {};
  if (!is_kept_) {
    if (Status kept = keeper_.keep_mode(mode_before_); !kept) return kept;
    is_kept_ = true;
  }
  // What the pause ends in.
  if (told_ == Told::help) {
    if (Status back = daemon_->set_mode(mode_before_); !back) return back;
  }
  told_ = Told::aside;
  if (Status paused = daemon_->pause(kPauseSeconds); !paused) return paused;
  return wait_until_put_back();
}

Status DaemonHelp::help() {
  told_ = Told::help;
  return daemon_->set_mode("auto");
}

Status DaemonHelp::renew() {
  return told_ == Told::aside ? daemon_->pause(kPauseSeconds) : Status();
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
