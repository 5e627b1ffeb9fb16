// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/child.h"

#include <spawn.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace tuneshift {

OwnedFd::~OwnedFd() {
  if (fd_ >= 0) close(fd_);
}

Result<OwnedFd> open_pidfd(pid_t pid) {
  const long fd = syscall(SYS_pidfd_open, pid, 0U);
  if (fd < 0) {
    if (errno == ESRCH || errno == EINVAL)
      return Error{ErrorCode::not_found, "no process " + std::to_string(pid), {}, errno};
    return errno_error(errno, "cannot open process " + std::to_string(pid));
  }
  return OwnedFd(static_cast<int>(fd));
}

Result<TerminationSignals> TerminationSignals::block() {
  sigset_t wanted;
  sigset_t before;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGINT);
  sigaddset(&wanted, SIGTERM);
  if (sigprocmask(SIG_BLOCK, &wanted, &before) != 0)
    return errno_error(errno, "cannot block signals");
  const int fd = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd < 0) return errno_error(errno, "cannot watch signals");
  return TerminationSignals(OwnedFd(fd), before);
}

int TerminationSignals::next(bool& by_terminal) const {
  signalfd_siginfo info{};
  if (read(fd_.get(), &info, sizeof(info)) != sizeof(info)) return 0;
  by_terminal = info.ssi_code == SI_KERNEL;
  return static_cast<int>(info.ssi_signo);
}

Result<pid_t> start_command(const std::vector<std::string>& command, const sigset_t& mask,
                            int output, int errors) {
  std::vector<std::string> words = command;
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setsigmask(&attributes, &mask);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (output >= 0) posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  if (errors >= 0) posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
  pid_t pid = 0;
  const int failed = posix_spawnp(&pid, argv[0], &actions, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (failed != 0) return errno_error(failed, "cannot run '" + command.front() + "'");
  return pid;
}

int reap(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return 1;
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace tuneshift
