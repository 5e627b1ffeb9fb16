// SPDX-License-Identifier: LGPL-2.1-or-later
// tuneshift-inspect: answers one question about one process and exits. Started by tuneshiftd with a
// SOCK_SEQPACKET socket as standard input, as root; it finds the file with privileges and looks
// into it as the reader's own user, inside a sandbox.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "daemon/held_files.h"
#include "daemon/inspect/inspect.h"
#include "daemon/inspect/list_files.h"
#include "daemon/inspect_protocol.h"
#include "daemon/inspect_request.h"
#include "daemon/unique_fd.h"

using namespace tuneshift;

namespace {

std::string answer(int root_fd, const Inquiry& inquiry) {
  const InspectRequest& request = inquiry.request;
  if (request.inode != 0) return format_inspect_reply(inspect(root_fd, inquiry));
  const auto process = ProcessDir::open(root_fd, {request.pid, request.start_ns});
  return format_held_files(process ? list_files(process.value(), request.file_size)
                                   : std::vector<HeldFile>());
}

}  // namespace

int main() {
  close_range(STDERR_FILENO + 1, ~0U, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  std::string packet(max_inspect_request_bytes + 1, '\0');
  const ssize_t got = recv(STDIN_FILENO, packet.data(), packet.size(), 0);
  packet.resize(got > 0 ? static_cast<size_t>(got) : 0);
  const auto inquiry = parse_inquiry(packet);
  if (!inquiry) _exit(2);
  const UniqueFd root(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  const std::string reply = answer(root.get(), inquiry.value());
  const bool sent =
      send(STDIN_FILENO, reply.data(), reply.size(), MSG_NOSIGNAL) == ssize_t(reply.size());
  _exit(sent ? 0 : 1);
}
