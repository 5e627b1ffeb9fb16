// SPDX-License-Identifier: LGPL-2.1-or-later
// tuneshift-prefetch: reads one file into the page cache, ahead of a process that loads it. Started
// by tuneshiftd with a SOCK_SEQPACKET socket as standard input, as root; what is said on it is in
// daemon/prefetch_protocol.h.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>

#include "daemon/prefetch/daemon_link.h"
#include "daemon/prefetch/worker.h"
#include "daemon/prefetch_protocol.h"
#include "daemon/unique_fd.h"

using namespace tuneshift;

int main() {
  close_range(STDERR_FILENO + 1, ~0U, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  // Not the daemon's own: this is bulk work, and its I/O priority follows from it.
  setpriority(PRIO_PROCESS, 0, 0);
  char packet[max_prefetch_packet_bytes];
  const ssize_t got = recv(STDIN_FILENO, packet, sizeof packet, 0);
  const auto task = parse_prefetch_task({packet, got > 0 ? static_cast<size_t>(got) : 0});
  if (!task) _exit(2);
  const UniqueFd root(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  DaemonLink link(STDIN_FILENO, task.value().permit);
  const Status status = read_ahead_of(root.get(), task.value().order, link);
  link.end(status.ok() ? "" : status.error().message);
  _exit(0);
}
