// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/spawn_helper.h"

#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace tuneshift {

Result<Helper> spawn_helper(const std::string& program, std::string_view packet) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return errno_error(errno, "socketpair");
  }
  Helper helper;
  helper.socket = UniqueFd(ends[0]);
  UniqueFd theirs(ends[1]);
  if (send(helper.socket.get(), packet.data(), packet.size(), MSG_NOSIGNAL | MSG_DONTWAIT) !=
      static_cast<ssize_t>(packet.size())) {
    return errno_error(errno, "send to", program);
  }

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none;
  sigset_t ignored;
  sigemptyset(&none);
  sigemptyset(&ignored);
  sigaddset(&ignored, SIGPIPE);
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, theirs.get(), STDIN_FILENO);
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &ignored);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::string name = program.substr(program.rfind('/') + 1);
  char* arguments[] = {name.data(), nullptr};
  char* environment[] = {nullptr};
  const int error =
      posix_spawn(&helper.pid, program.c_str(), &actions, &attributes, arguments, environment);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    Error failure = errno_error(error, "start", program);
    failure.code = ErrorCode::io;
    return failure;
  }

  helper.pidfd = UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, helper.pid, 0)));
  if (!helper.pidfd) {
    const Error failure = errno_error(errno, "pidfd_open");
    kill(helper.pid, SIGKILL);
    waitpid(helper.pid, nullptr, 0);
    return failure;
  }
  return helper;
}

void kill_helper(const Helper& helper) {
  syscall(SYS_pidfd_send_signal, helper.pidfd.get(), SIGKILL, nullptr, 0);
}

siginfo_t reap_helper(const Helper& helper) {
  siginfo_t info{};
  waitid(P_PIDFD, static_cast<id_t>(helper.pidfd.get()), &info, WEXITED | WNOHANG);
  return info;
}

std::string describe_end(const siginfo_t& info) {
  const bool killed = info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED;
  return (killed ? "signal " : "status ") + std::to_string(info.si_status);
}

}  // namespace tuneshift
