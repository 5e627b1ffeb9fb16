// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/lock_holder.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <sstream>
#include <string_view>

namespace tuneshift {

namespace {

constexpr unsigned long exiting = 0x4;  // PF_EXITING of linux/sched.h, field 9 of proc_pid_stat(5)

/// The process with an flock on this inode, or 0.
int keeper_of(const std::string& locks, const struct stat& file) {
  char place[64];
  std::snprintf(place, sizeof place, "%02x:%02x:%ju", major(file.st_dev), minor(file.st_dev),
                static_cast<uintmax_t>(file.st_ino));
  std::istringstream lines(locks);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string number, kind, strictness, access, inode;
    int pid = 0;
    // Who waits for a lock has "->" in the place of its kind.
    words >> number >> kind >> strictness >> access >> pid >> inode;
    if (words && kind == "FLOCK" && inode == place && pid > 0) return pid;
  }
  return 0;
}

/// What comes after a thread's name in its stat file, which may hold anything: state, parent, ….
std::istringstream after_name(const std::string& stat) {
  const size_t end = stat.rfind(") ");
  return std::istringstream(end == std::string::npos ? "" : stat.substr(end + 2));
}

bool has_kill_pending(const std::string& status) {
  constexpr std::string_view label = "\nSigPnd:\t";
  const size_t at = status.find(label);
  if (at == std::string::npos) return false;
  uint64_t pending = 0;
  std::istringstream(status.substr(at + label.size())) >> std::hex >> pending;
  return (pending >> (SIGKILL - 1) & 1) != 0;
}

/// Whether a thread will run no more code of its program.
bool is_dying(const KernelFs& kernel, const std::string& thread) {
  const auto stat = kernel.read(thread + "/stat");
  if (!stat.ok()) return true;  // gone
  char state = 0;
  std::string skipped;
  unsigned long flags = 0;
  std::istringstream fields = after_name(stat.value());
  fields >> state;
  for (int field = 4; field < 9; ++field) fields >> skipped;
  fields >> flags;
  if (state == 'Z' || state == 'X' || (flags & exiting) != 0) return true;
  const auto status = kernel.read(thread + "/status");
  return !status.ok() || has_kill_pending(status.value());
}

/// The name of a knob's file by what the kernel calls it, or nothing:
/// "/sys/devices/virtual/block/loop0/queue/scheduler", "/sys/devices/virtual/bdi/0:44/max_ratio".
std::string setting_of(const std::string& link) {
  if (!link.starts_with("/sys/devices/")) return "";
  if (const size_t queue = link.rfind("/queue/"); queue != std::string::npos) {
    return "sys/block" + link.substr(link.rfind('/', queue - 1));
  }
  if (const size_t bdi = link.rfind("/bdi/"); bdi != std::string::npos) {
    return "sys/class" + link.substr(bdi);
  }
  return "";
}

std::vector<std::string> open_settings(const KernelFs& kernel, const std::string& thread) {
  std::vector<std::string> settings;
  const auto descriptors = kernel.list(thread + "/fd");
  if (!descriptors.ok()) return settings;
  for (const std::string& number : descriptors.value()) {
    const auto link = kernel.read_link(thread + "/fd/" + number);
    std::string setting = link.ok() ? setting_of(link.value()) : "";
    if (!setting.empty()) settings.push_back(std::move(setting));
  }
  return settings;
}

}  // namespace

std::optional<LockHolder> find_lock_holder(const KernelFs& kernel, const std::string& path) {
  struct stat file {};
  const auto locks = kernel.read("proc/locks");
  if (!locks.ok() || stat(path.c_str(), &file) != 0) return std::nullopt;
  LockHolder holder;
  holder.pid = keeper_of(locks.value(), file);
  if (holder.pid == 0) return std::nullopt;
  const std::string tasks = "proc/" + std::to_string(holder.pid) + "/task";
  const auto threads = kernel.list(tasks);
  if (!threads.ok()) return std::nullopt;  // gone meanwhile
  holder.dying = true;
  for (const std::string& thread : threads.value()) {
    holder.dying = holder.dying && is_dying(kernel, tasks + "/" + thread);
    // A thread that has ended has no descriptors; those that have not share theirs.
    auto settings = open_settings(kernel, tasks + "/" + thread);
    if (!settings.empty()) holder.settings = std::move(settings);
  }
  return holder;
}

}  // namespace tuneshift
