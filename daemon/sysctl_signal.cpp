// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/sysctl_signal.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cstring>

namespace tuneshift {

Result<UniqueFd> open_root_cgroup(const std::string& kernel_root) {
  const UniqueFd root(open(kernel_root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return errno_error(errno, "open", kernel_root);
  // The second where systemd keeps version 1 beside it.
  for (const char* path : {"sys/fs/cgroup", "sys/fs/cgroup/unified"}) {
    UniqueFd directory(openat(root.get(), path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct statfs system {};
    if (directory && fstatfs(directory.get(), &system) == 0 &&
        system.f_type == CGROUP2_SUPER_MAGIC) {
      return directory;
    }
  }
  return Error{ErrorCode::not_found, "no cgroup v2 hierarchy is mounted", {}, 0};
}

SysctlWrite to_sysctl_write(const tuneshift_sysctl_event& record) {
  SysctlWrite write;
  write.process = {static_cast<pid_t>(record.pid), record.start_ns};
  write.command.assign(record.command, strnlen(record.command, sizeof record.command));
  write.name.assign(record.name, strnlen(record.name, sizeof record.name));
  std::replace(write.name.begin(), write.name.end(), '/', '.');
  return write;
}

uint64_t read_lost_writes(int map) {
  const uint32_t zero = 0;
  uint64_t lost = 0;
  return bpf_map_lookup_elem(map, &zero, &lost) == 0 ? lost : 0;
}

}  // namespace tuneshift
