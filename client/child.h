// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <string>
#include <vector>

#include "libtune/result.h"

namespace tuneshift {

/// Closes a descriptor at the end of its scope.
class OwnedFd {
 public:
  explicit OwnedFd(int fd = -1) : fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  OwnedFd& operator=(OwnedFd&&) = delete;
  OwnedFd(const OwnedFd&) = delete;
  OwnedFd& operator=(const OwnedFd&) = delete;
  ~OwnedFd();
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

/// A descriptor for a process that lives now.
Result<OwnedFd> open_pidfd(pid_t pid);

/// SIGINT and SIGTERM as a descriptor: they no longer end this process.
class TerminationSignals {
 public:
  static Result<TerminationSignals> block();
  [[nodiscard]] int fd() const { return fd_.get(); }
  /// The mask before: a child starts with it.
  [[nodiscard]] const sigset_t& mask_before() const { return before_; }
  /// The next one. `by_terminal` when the kernel sent it to the whole foreground group, so that a
  /// child has it already. 0 when there is none.
  int next(bool& by_terminal) const;

 private:
  TerminationSignals(OwnedFd fd, const sigset_t& before) : fd_(std::move(fd)), before_(before) {}
  OwnedFd fd_;
  sigset_t before_;
};

/// Starts `command` without a shell, its standard output and error to descriptors unless these are
/// negative. The error's errno_value says why it could not.
Result<pid_t> start_command(const std::vector<std::string>& command, const sigset_t& mask,
                            int output = -1, int errors = -1);

/// Waits for a child that has ended; its exit status as a shell reports it (128 + signal).
int reap(pid_t pid);

}  // namespace tuneshift
