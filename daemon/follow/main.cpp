// SPDX-License-Identifier: LGPL-2.1-or-later
// tuneshift-follow: looks how far one process is with one file that is read ahead of it. Started by
// tuneshiftd with a SOCK_SEQPACKET socket as standard input, as root; what is said on it is in
// daemon/follow_protocol.h. Ends with the socket, or with the reader.
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <ctime>
#include <string>

#include "daemon/follow/look.h"
#include "daemon/follow_protocol.h"
#include "daemon/helper/process_dir.h"
#include "daemon/helper/sandbox.h"
#include "daemon/unique_fd.h"

using namespace tuneshift;

namespace {

// Looks are to take this part of a CPU at most: one over it.
constexpr uint64_t cpu_part = 100;
// Each wakes the daemon.
constexpr uint64_t least_wait_ns = 30'000'000;
constexpr size_t turns = 8;
// Except the first ones, whatever they take: by them a suspect is known for a load, and only 64 MiB
// are read ahead until then. What is cached comes to its reader at GiB a second.
constexpr unsigned early_looks = 16;
constexpr uint64_t early_wait_ns = 10'000'000;
constexpr size_t early_turns = 2;
constexpr uint64_t most_wait_ns = 1'000'000'000;
constexpr uint64_t cpu_limit_s = 3600;

uint64_t cpu_ns() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

// False when the daemon has let go.
bool wait_for_daemon(uint64_t ns) {
  pollfd heard{STDIN_FILENO, POLLIN, 0};
  const timespec time{static_cast<time_t>(ns / 1'000'000'000),
                      static_cast<long>(ns % 1'000'000'000)};
  return ppoll(&heard, 1, &time, nullptr) == 0;
}

Result<ReaderLook> open_reader(const FollowTask& task) {
  const UniqueFd root(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  auto process = ProcessDir::open(root.get(), task.reader.process);
  if (!process) return process.error();
  auto look = ReaderLook::open(process.value(), task.reader.file, task.file_size);
  if (!look) return look.error();
  if (!process.value().alive()) {
    return Error{ErrorCode::not_found, "the process has gone", {}, 0};
  }
  if (Status status = keep_capabilities({CAP_SYS_PTRACE}, cpu_limit_s); !status.ok()) {
    return status.error();
  }
  const Status status = allow_only({{SCMP_SYS(pread64)},
                                    {SCMP_SYS(read)},
                                    {SCMP_SYS(lseek)},
                                    {SCMP_SYS(ppoll)},
                                    {SCMP_SYS(clock_gettime)}});
  if (!status.ok()) return status.error();
  return look;
}

void follow(ReaderLook& look) {
  FollowReport report;
  Coverage told;
  uint64_t told_bytes = UINT64_MAX;
  for (unsigned looks = 1;; ++looks) {
    const uint64_t before_ns = cpu_ns();
    const bool early = looks < early_looks;
    if (!look.look(report, early ? early_turns : turns)) return;
    // What one reads that has it mapped is other files.
    const bool reads = report.coverage.count() == 0 && report.read_bytes != told_bytes;
    if (report.coverage != told || reads) {
      const std::string packet = format_follow_report(report);
      // A daemon that does not keep up hears it after the next look.
      if (send(STDIN_FILENO, packet.data(), packet.size(), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) {
        told = report.coverage;
        told_bytes = report.read_bytes;
      }
    }
    const uint64_t wait_ns =
        early ? early_wait_ns
              : std::clamp((cpu_ns() - before_ns) * cpu_part, least_wait_ns, most_wait_ns);
    if (!wait_for_daemon(wait_ns)) return;
  }
}

}  // namespace

int main() {
  close_range(STDERR_FILENO + 1, ~0U, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  // Not the daemon's own, which it inherits: the reader is not to wait for it.
  setpriority(PRIO_PROCESS, 0, 0);
  char packet[max_follow_packet_bytes];
  const ssize_t got = recv(STDIN_FILENO, packet, sizeof packet, 0);
  const auto task = parse_follow_task({packet, got > 0 ? static_cast<size_t>(got) : 0});
  if (!task) _exit(2);
  auto look = open_reader(task.value());
  if (!look) _exit(1);
  follow(look.value());
  _exit(0);
}
