// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/rewindow.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "daemon/process_identity.h"
#include "daemon/unique_fd.h"

namespace tuneshift {

namespace {

constexpr size_t max_attempts = 256;
constexpr size_t max_stuck_children = 16;
constexpr int answer_deadline_ms = 100;  // reached by few: see may_be_entered()
constexpr int exit_wait_ms = 5;

enum class Did { failed, reset, direct, other_file };

struct Attempt {
  int fd = -1;
  int errno_value = 0;
  Did did = Did::failed;
};

bool is_unanswered(const Error& error) {
  return error.code == ErrorCode::timeout || error.code == ErrorCode::busy;
}

// procfs's own word on the descriptor: no question to the file's file system.
Result<bool> still_the_file(const KernelFs& kernel, const Reader& reader, int fd) {
  const auto info =
      kernel.read("proc/" + std::to_string(reader.process.pid) + "/fdinfo/" + std::to_string(fd));
  if (!info.ok() && is_unanswered(info.error())) return info.error();
  return info.ok() && parse_field(info.value(), "ino:") == reader.file.inode;
}

// pidfd_getfd(2) takes the lock that an execve() holds, and one that closes a file whose server
// does not answer holds it for good. What procfs counts of the process asks for the same lock, and
// is given up in time (DeadlineFs).
Status may_be_entered(const KernelFs& kernel, const Reader& reader) {
  const auto counts = kernel.read("proc/" + std::to_string(reader.process.pid) + "/io");
  if (!counts.ok() && is_unanswered(counts.error())) return counts.error();
  return {};
}

bool on_device(int fd, const FileId& file) {
  struct statx status {};
  // An inode that FUSE refuses to tell root was compared in still_the_file().
  if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &status) != 0) return false;
  if ((status.stx_mask & STATX_INO) != 0 && status.stx_ino != file.inode) return false;
  if (status.stx_dev_major == file.device_major && status.stx_dev_minor == file.device_minor) {
    return true;
  }
  struct statfs store {};
  return fstatfs(fd, &store) == 0 &&
         (store.f_type == OVERLAYFS_SUPER_MAGIC || store.f_type == BTRFS_SUPER_MAGIC);
}

void reset_window(int pidfd, const FileId& file, Attempt& attempt) {
  const int fd = static_cast<int>(syscall(SYS_pidfd_getfd, pidfd, attempt.fd, 0));
  const int flags = fd < 0 ? -1 : fcntl(fd, F_GETFL);
  if (flags < 0) {
    attempt.errno_value = errno;
  } else if ((flags & O_PATH) != 0 || !on_device(fd, file)) {
    attempt.did = Did::other_file;
  } else if ((flags & O_DIRECT) != 0) {
    attempt.did = Did::direct;
  } else {
    attempt.errno_value = posix_fadvise(fd, 0, 0, POSIX_FADV_NORMAL);
    attempt.did = attempt.errno_value == 0 ? Did::reset : Did::failed;
  }
}

// The child: system calls only, its descriptors are left to its exit.
[[noreturn]] void work(int pidfd, int answer, const FileId& file, std::vector<Attempt>& attempts) {
  // Nothing of the daemon's may stay open in a child that gets stuck: not the journal's lock.
  if (dup2(pidfd, STDIN_FILENO) < 0 || dup2(answer, STDOUT_FILENO) < 0 ||
      close_range(STDERR_FILENO, ~0U, 0) != 0) {
    _exit(1);
  }
  for (Attempt& attempt : attempts) reset_window(STDIN_FILENO, file, attempt);
  const size_t size = attempts.size() * sizeof(Attempt);
  const bool sent = write(STDOUT_FILENO, attempts.data(), size) == static_cast<ssize_t>(size);
  _exit(sent ? 0 : 1);
}

// Children that did not end: closing a FUSE file waits for its server (FUSE_FLUSH).
class Children {
 public:
  bool full() {
    std::erase_if(pidfds_, [](const UniqueFd& pidfd) { return reap(pidfd, 0); });
    return pidfds_.size() >= max_stuck_children;
  }
  void add(UniqueFd pidfd) {
    if (!reap(pidfd, exit_wait_ms)) pidfds_.push_back(std::move(pidfd));
  }

 private:
  static bool reap(const UniqueFd& pidfd, int wait_ms) {
    pollfd ended{pidfd.get(), POLLIN, 0};
    siginfo_t info{};
    return poll(&ended, 1, wait_ms) > 0 &&
           waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &info, WEXITED | WNOHANG) == 0;
  }
  std::vector<UniqueFd> pidfds_;
};

Status run_child(const UniqueFd& pidfd, const FileId& file, std::vector<Attempt>& attempts) {
  static Children children;
  if (children.full()) {
    return Error{ErrorCode::limit_exceeded, "too many descriptors cannot be closed", {}, 0};
  }
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return errno_error(errno, "pipe2");
  const UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  const pid_t pid = fork();
  if (pid < 0) return errno_error(errno, "fork");
  if (pid == 0) work(pidfd.get(), theirs.get(), file, attempts);
  theirs.reset();
  UniqueFd child(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  const size_t size = attempts.size() * sizeof(Attempt);
  pollfd answer{ours.get(), POLLIN, 0};
  const bool answered = poll(&answer, 1, answer_deadline_ms) > 0 &&
                        read(ours.get(), attempts.data(), size) == static_cast<ssize_t>(size);
  if (!answered) kill(pid, SIGKILL);
  children.add(std::move(child));
  if (answered) return {};
  return Error{ErrorCode::timeout, "re-windowing did not end in time", {}, 0};
}

}  // namespace

unsigned count_buffered(const KernelFs& kernel, const Reader& reader,
                        const std::vector<OpenDescriptor>& descriptors) {
  return static_cast<unsigned>(
      std::count_if(descriptors.begin(), descriptors.end(), [&](const OpenDescriptor& one) {
        if (one.direct) return false;
        const auto same = still_the_file(kernel, reader, one.fd);
        return same.ok() && same.value();
      }));
}

Result<RewindowOutcome> rewindow(const KernelFs& kernel, const Reader& reader,
                                 const std::vector<OpenDescriptor>& descriptors) {
  RewindowOutcome outcome;
  const UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, reader.process.pid, 0)));
  if (!pidfd) return errno_error(errno, "pidfd_open");
  // Read after pidfd_open(): a pid that was reused before it shows the later process.
  const auto stat = kernel.read("proc/" + std::to_string(reader.process.pid) + "/stat");
  if (!stat.ok() || !started_at(stat.value(), reader.process.start_ns)) {
    return Error{ErrorCode::not_found, "the process has gone", {}, 0};
  }

  std::vector<Attempt> attempts;
  for (const OpenDescriptor& descriptor : descriptors) {
    if (descriptor.direct) {
      ++outcome.direct;
    } else if (attempts.size() < max_attempts) {
      const auto same = still_the_file(kernel, reader, descriptor.fd);
      if (!same.ok()) return same.error();
      if (same.value()) attempts.push_back({descriptor.fd});
    }
  }
  if (attempts.empty()) return outcome;
  if (const Status free = may_be_entered(kernel, reader); !free) return free.error();
  const Status status = run_child(pidfd, reader.file, attempts);
  if (!status.ok()) return status.error();

  for (const Attempt& attempt : attempts) {
    if (attempt.did == Did::reset) ++outcome.reset;
    if (attempt.did == Did::direct) ++outcome.direct;
    if (attempt.did == Did::failed) {
      outcome.failures.push_back(
          errno_error(attempt.errno_value, "descriptor " + std::to_string(attempt.fd)).message);
    }
  }
  return outcome;
}

}  // namespace tuneshift
