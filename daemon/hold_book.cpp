// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hold_book.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "libtune/escape.h"

namespace tuneshift {

namespace {

constexpr size_t longest_reason = 256;
constexpr size_t longest_device = 255;  // a file name in sysfs

Error invalid(const std::string& message) {
  return {ErrorCode::invalid_argument, message, {}, 0};
}

}  // namespace

HoldBook::~HoldBook() {
  for (auto& [cookie, hold] : holds_) {
    hold.process = Source();
    if (hold.pidfd >= 0) close(hold.pidfd);
  }
}

Result<uint32_t> HoldBook::pid_of(int pidfd) const {
  auto info = kernel_.read("proc/self/fdinfo/" + std::to_string(pidfd));
  if (!info.ok()) return info.error();
  // Only a pidfd has this line (proc_pid_fdinfo(5)); -1 means that the process has been reaped.
  const size_t line = info.value().find("\nPid:");
  if (line == std::string::npos) return invalid("'pidfd' is not a pidfd");
  const long pid = std::strtol(info.value().c_str() + line + 5, nullptr, 10);
  if (pid <= 0) return invalid("the process of 'pidfd' has ended");
  return static_cast<uint32_t>(pid);
}

Status HoldBook::check(const HoldRequest& request) const {
  if (!tuner_.policy().profiles().contains(request.profile)) {
    return Error{ErrorCode::not_found, "no profile '" + escape(request.profile, 64) + "'", {}, 0};
  }
  if (request.reason.size() > longest_reason) return invalid("the reason is longer than 256 bytes");
  if (request.ttl_s > longest_ttl_s) return invalid("'ttl' is longer than 7 days");
  if (request.devices.size() > most_devices) return invalid("more than 32 devices");
  for (const std::string& device : request.devices) {
    if (device.size() > longest_device) return invalid("no device '" + escape(device, 64) + "'");
  }
  return {};
}

Result<uint32_t> HoldBook::take(const HoldRequest& request) {
  if (const Status fits = check(request); !fits) return fits.error();
  const auto of_user = std::count_if(holds_.begin(), holds_.end(), [&](const auto& entry) {
    return entry.second.uid == request.uid;
  });
  if (static_cast<size_t>(of_user) >= most_per_user) {
    return Error{ErrorCode::limit_exceeded, "this user has 32 holds already", {}, 0};
  }

  Lease lease;
  lease.kind = LeaseKind::hold;
  lease.profile = request.profile;
  lease.reason = escape(request.reason);
  lease.whole_machine = request.devices.empty();
  const std::vector<Mount> mounts = read_host_mounts(kernel_);
  lease.devices = request.devices;
  for (const std::string& device : request.devices) {
    auto store = find_store_by_name(kernel_, device, mounts);
    if (!store.ok()) return invalid("no device '" + escape(device, 64) + "'");
    lease.stores.push_back(std::move(store).value());
  }

  Hold hold;
  if (request.pidfd >= 0) {
    auto pid = pid_of(request.pidfd);
    if (!pid.ok()) return pid.error();
    hold.pid = pid.value();
    hold.pidfd = fcntl(request.pidfd, F_DUPFD_CLOEXEC, 3);
    if (hold.pidfd < 0) return errno_error(errno, "duplicate the pidfd");
  }
  do {
    ++last_cookie_;
  } while (last_cookie_ == 0 || holds_.contains(last_cookie_));
  const uint32_t cookie = last_cookie_;
  hold.cookie = cookie;
  hold.profile = request.profile;
  hold.reason = lease.reason;
  hold.sender = request.sender;
  hold.uid = request.uid;
  hold.since_us = realtime_us();
  hold.devices = request.devices;
  hold.dies_with_sender = request.pidfd < 0 && request.ttl_s == 0;
  if (request.ttl_s > 0) {
    hold.until_us = hold.since_us + request.ttl_s * 1'000'000;
    hold.until_ns = monotonic_ns() + request.ttl_s * 1'000'000'000;
  }
  recorder_.add("hold",
                "hold " + std::to_string(cookie) + ": " + request.profile + " for " +
                    (hold.reason.empty() ? "no given reason" : hold.reason) + ", by uid " +
                    std::to_string(request.uid),
                {{"cookie", cookie}, {"profile", request.profile}, {"reason", hold.reason}});
  begin(std::move(hold), std::move(lease));
  return cookie;
}

void HoldBook::begin(Hold hold, Lease lease) {
  const uint32_t cookie = hold.cookie;
  if (hold.pidfd >= 0) {
    hold.process = loop_.watch(hold.pidfd, [this, cookie] { end(cookie, "its process ended"); });
  }
  if (hold.until_ns != 0) {
    hold.end = loop_.timer([this, cookie] { end(cookie, "its time is over"); });
    hold.end.set(hold.until_ns);
  }
  lease.owner = "hold " + std::to_string(cookie);
  hold.lease = tuner_.add_lease(std::move(lease));
  holds_.emplace(cookie, std::move(hold));
}

void HoldBook::hand_over(Handover& handover) {
  handed_over_ = true;
  handover.last_cookie = last_cookie_;
  for (const auto& [cookie, hold] : holds_) {
    Handover::Hold& told = handover.holds.emplace_back(hold);
    if (hold.pidfd >= 0) told.pidfd = fcntl(hold.pidfd, F_DUPFD, 3);
  }
}

void HoldBook::take_over(const Handover& handover) {
  last_cookie_ = handover.last_cookie;
  const std::vector<Mount> mounts = read_host_mounts(kernel_);
  for (const Handover::Hold& before : handover.holds) {
    if (before.pidfd >= 0) fcntl(before.pidfd, F_SETFD, FD_CLOEXEC);
    if (!tuner_.policy().profiles().contains(before.profile)) {
      if (before.pidfd >= 0) close(before.pidfd);
      recorder_.warn("hold " + std::to_string(before.cookie) + " ends: there is no profile '" +
                     escape(before.profile, 64) + "' any more");
      continue;
    }
    if (before.pid != 0 && before.pidfd < 0) {
      recorder_.warn("hold " + std::to_string(before.cookie) + " ends: its process is lost");
      continue;
    }
    Lease lease;
    lease.kind = LeaseKind::hold;
    lease.profile = before.profile;
    lease.reason = before.reason;
    lease.whole_machine = before.devices.empty();
    lease.devices = before.devices;
    for (const std::string& device : before.devices) {
      // One that is gone may come back.
      auto store = find_store_by_name(kernel_, device, mounts);
      if (store.ok()) lease.stores.push_back(std::move(store).value());
    }
    Hold hold;
    static_cast<Handover::Hold&>(hold) = before;
    begin(std::move(hold), std::move(lease));
  }
}

Status HoldBook::release(uint32_t cookie, const std::string& sender, uint32_t uid) {
  auto found = holds_.find(cookie);
  if (found == holds_.end()) {
    return Error{ErrorCode::not_found, "no hold " + std::to_string(cookie), {}, 0};
  }
  if (found->second.sender != sender && uid != 0) {
    return Error{ErrorCode::permission, "this hold is somebody else's", {}, 0};
  }
  end(cookie, "released");
  return {};
}

void HoldBook::end(uint32_t cookie, const std::string& why) {
  auto found = holds_.find(cookie);
  if (found == holds_.end()) return;
  Hold hold = std::move(found->second);
  holds_.erase(found);
  hold.process = Source();
  if (hold.pidfd >= 0) close(hold.pidfd);
  recorder_.add("release", "hold " + std::to_string(cookie) + " ends: " + why,
                {{"cookie", cookie}, {"profile", hold.profile}, {"reason", why}});
  tuner_.remove_lease(hold.lease);
  const bool last = hold.dies_with_sender && !depends_on(hold.sender);
  if (last && sender_forgotten) sender_forgotten(hold.sender);
}

bool HoldBook::depends_on(const std::string& sender) const {
  return std::any_of(holds_.begin(), holds_.end(), [&](const auto& entry) {
    return entry.second.dies_with_sender && entry.second.sender == sender;
  });
}

void HoldBook::sender_gone(const std::string& sender) {
  std::vector<uint32_t> ending;
  for (const auto& [cookie, hold] : holds_) {
    if (hold.dies_with_sender && hold.sender == sender) ending.push_back(cookie);
  }
  for (const uint32_t cookie : ending) end(cookie, "its client left the bus");
}

void HoldBook::all_senders_gone() {
  if (handed_over_) return;
  std::vector<uint32_t> ending;
  for (const auto& [cookie, hold] : holds_) {
    if (hold.dies_with_sender) ending.push_back(cookie);
  }
  for (const uint32_t cookie : ending) end(cookie, "the bus went away");
}

}  // namespace tuneshift
