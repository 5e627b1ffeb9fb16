// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/process_watch.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "daemon/process_identity.h"

namespace tuneshift {

namespace {

std::string proc_file(pid_t pid, const char* name) {
  return "proc/" + std::to_string(pid) + "/" + name;
}

}  // namespace

Result<ProcessSample> read_process_sample(const KernelFs& kernel, pid_t pid) {
  const auto status = kernel.read(proc_file(pid, "status"));
  if (!status.ok()) return status.error();
  const auto kib = [&](std::string_view key) {
    return parse_field(status.value(), key).value_or(0) << 10;
  };
  ProcessSample sample;
  sample.anonymous_bytes =
      kib("RssAnon:") + kib("RssShmem:") + kib("VmSwap:") + kib("HugetlbPages:");
  sample.file_bytes = kib("RssFile:");
  const auto io = kernel.read(proc_file(pid, "io"));
  if (!io.ok()) return io.error();
  sample.read_bytes = parse_field(io.value(), "rchar:").value_or(0);
  sample.written_bytes = std::max(parse_field(io.value(), "wchar:").value_or(0),
                                  parse_field(io.value(), "write_bytes:").value_or(0));
  return sample;
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
