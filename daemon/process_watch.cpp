// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/process_watch.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <sstream>

namespace tuneshift {

namespace {

std::string proc_file(pid_t pid, const char* name) {
  return "proc/" + std::to_string(pid) + "/" + name;
}

}  // namespace

Result<uint64_t> read_start_ticks(const KernelFs& kernel, pid_t pid) {
  auto stat = kernel.read(proc_file(pid, "stat"));
  if (!stat.ok()) return stat.error();
  // The command is in parentheses and may hold any byte: count from its last one.
  const size_t end = stat.value().rfind(')');
  if (end == std::string::npos) return Error{ErrorCode::io, "malformed stat", {}, 0};
  std::istringstream fields(stat.value().substr(end + 1));
  std::string field;
  constexpr int fields_after_command = 20;
  for (int i = 0; i < fields_after_command; ++i) fields >> field;
  if (!fields) return Error{ErrorCode::io, "malformed stat", {}, 0};
  return uint64_t{std::strtoull(field.c_str(), nullptr, 10)};
}

uint64_t start_ticks_of(const ProcessId& process) {
  static const auto ns_per_tick = 1'000'000'000ULL / static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
  return process.start_ns / ns_per_tick;
}

Result<uint64_t> read_anonymous_bytes(const KernelFs& kernel, pid_t pid) {
  auto statm = kernel.read(proc_file(pid, "statm"));
  if (!statm.ok()) return statm.error();
  std::istringstream fields(statm.value());
  uint64_t size = 0, resident = 0, shared = 0;
  fields >> size >> resident >> shared;
  if (!fields || shared > resident) return Error{ErrorCode::io, "malformed statm", {}, 0};
  static const auto page_bytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return (resident - shared) * page_bytes;
}

ProcessWatch::~ProcessWatch() {
  for (auto& [process, watched] : watched_) {
    watched.source = Source();
    close(watched.pidfd);
  }
}

Status ProcessWatch::add(const ProcessId& process) {
  if (watched_.contains(process)) return {};
  const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, process.pid, 0));
  if (pidfd < 0) return errno_error(errno, "pidfd_open");
  auto start = read_start_ticks(kernel_, process.pid);
  if (!start.ok() || start.value() != start_ticks_of(process)) {
    close(pidfd);
    return Error{ErrorCode::not_found, "the process has gone", {}, 0};
  }
  Watched watched{pidfd, loop_.watch(pidfd, [this, process] {
                    remove(process);
                    handler_(process);
                  })};
  watched_.emplace(process, std::move(watched));
  return {};
}

void ProcessWatch::remove(const ProcessId& process) {
  auto found = watched_.find(process);
  if (found == watched_.end()) return;
  found->second.source = Source();
  close(found->second.pidfd);
  watched_.erase(found);
}

}  // namespace tuneshift
