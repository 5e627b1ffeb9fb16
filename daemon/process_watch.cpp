// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/process_watch.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <sstream>
#include <utility>

#include "daemon/process_identity.h"

namespace tuneshift {

namespace {

std::string proc_file(pid_t pid, const char* name) {
  return "proc/" + std::to_string(pid) + "/" + name;
}

}  // namespace

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

Status ProcessWatch::add(const ProcessId& process) {
  if (watched_.contains(process)) return {};
  UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, process.pid, 0)));
  if (!pidfd) return errno_error(errno, "pidfd_open");
  auto stat = kernel_.read(proc_file(process.pid, "stat"));
  if (!stat.ok() || !started_at(stat.value(), process.start_ns)) {
    return Error{ErrorCode::not_found, "the process has gone", {}, 0};
  }
  const int fd = pidfd.get();
  Watched watched{std::move(pidfd), loop_.watch(fd, [this, process] {
                    remove(process);
                    handler_(process);
                  })};
  watched_.emplace(process, std::move(watched));
  return {};
}

void ProcessWatch::remove(const ProcessId& process) {
  watched_.erase(process);
}

}  // namespace tuneshift
