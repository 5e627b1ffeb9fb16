// SPDX-License-Identifier: LGPL-2.1-or-later
// tuneshift-drop: lets the pages of a loaded model go once its loader has it elsewhere. Started by
// tuneshiftd with a SOCK_SEQPACKET socket as standard input, as root; what is said on it is in
// daemon/drop_protocol.h. Ends with the socket.
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string>

#include "daemon/drop/drop.h"
#include "daemon/drop_protocol.h"
#include "daemon/unique_fd.h"

using namespace tuneshift;

namespace {

// False when the daemon has let go.
bool wait_for_daemon(uint64_t ms) {
  pollfd heard{STDIN_FILENO, POLLIN, 0};
  int happened = 0;
  do {
    happened = poll(&heard, 1, static_cast<int>(ms));
  } while (happened < 0 && errno == EINTR);
  return happened == 0;
}

}  // namespace

int main() {
  close_range(STDERR_FILENO + 1, ~0U, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  // Not the daemon's own, which it inherits: nobody waits for this.
  setpriority(PRIO_PROCESS, 0, 0);
  std::string packet(max_drop_task_bytes + 1, '\0');
  const ssize_t got = recv(STDIN_FILENO, packet.data(), packet.size(), 0);
  packet.resize(got > 0 ? static_cast<size_t>(got) : 0);
  const auto task = parse_drop_task(packet);
  if (!task) _exit(2);
  const UniqueFd root(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  const std::string report =
      format_drop_report(drop_files(root.get(), task.value(), wait_for_daemon));
  const bool sent =
      send(STDIN_FILENO, report.data(), report.size(), MSG_NOSIGNAL) == ssize_t(report.size());
  _exit(sent ? 0 : 1);
}
