// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/unique_fd.h"
#include "libtune/event.h"
#include "libtune/result.h"

namespace tuneshift {

/// As whom a process opens files.
struct Credentials {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
  bool overrides_modes = false;  ///< holds CAP_DAC_OVERRIDE or CAP_DAC_READ_SEARCH
};

/// One process's directory in procfs. It stays that process's even when the pid is reused: the
/// open directory then answers ESRCH.
class ProcessDir {
 public:
  /// not_found when the process has gone or its pid belongs to a later one.
  static Result<ProcessDir> open(int root_fd, const ProcessId& process);

  [[nodiscard]] int fd() const { return fd_.get(); }
  /// Whether the process still lives.
  [[nodiscard]] bool alive() const;
  /// A file in it, at most `max_bytes` of it; empty when it cannot be read.
  [[nodiscard]] std::string read(const char* name, size_t max_bytes) const;

  [[nodiscard]] Result<Credentials> credentials() const;
  /// The path in the unified hierarchy, or systemd's own where there is none.
  [[nodiscard]] std::string cgroup() const;
  /// Arguments separated by spaces, at most 256 bytes.
  [[nodiscard]] std::string command_line() const;

 private:
  ProcessDir(UniqueFd fd, ProcessId process) : fd_(std::move(fd)), process_(process) {}
  UniqueFd fd_;
  ProcessId process_;
};

/// The target of a symbolic link below `directory_fd`; empty when it cannot be read or is longer
/// than PATH_MAX.
std::string read_link_at(int directory_fd, const char* name);

}  // namespace tuneshift
