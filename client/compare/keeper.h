// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <sys/types.h>

#include <array>
#include <string>
#include <vector>

#include "client/child.h"
#include "libtune/result.h"

namespace tuneshift {

std::vector<std::string> tuned_command(const std::vector<std::string>& arguments);

/// A process that puts back what a comparison changes, however the comparison ends: when it says
/// so, or when it is killed.
class Keeper {
 public:
  /// Forks: before this process has threads, or is on a bus.
  static Result<Keeper> start();
  Keeper(Keeper&& other) noexcept : socket_(std::move(other.socket_)), pid_(other.pid_) {
    other.pid_ = -1;
  }
  Keeper& operator=(Keeper&&) = delete;
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;
  ~Keeper() { (void)put_back(); }

  // What was there before. Each is told before the first change.
  /// Before each change: of what to what. Goes back only from one of these.
  Status keep_mode(const std::string& mode, const std::array<std::string, 2>& ours);
  /// `path` of KernelFs. Goes back only where it still shows `ours`.
  Status keep_value(const std::string& path, const std::string& ours, const std::string& original);
  /// `way_back`: what tuned-adm is told to put back what it has now.
  Status keep_tuned(const std::vector<std::string>& way_back);

  // The comparison has put it back itself.
  Status forget_value();
  Status forget_tuned();

  /// Waits until all is as it was; what could not be put back was said on standard error.
  Status put_back();

 private:
  Keeper(OwnedFd socket, pid_t pid) : socket_(std::move(socket)), pid_(pid) {}
  Status tell(const std::vector<std::string>& words);
  OwnedFd socket_;
  pid_t pid_;
};

}  // namespace tuneshift
