// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "libtune/device_name.h"
#include "libtune/kernel_fs.h"

namespace tuneshift {

/// One line of proc/PID/mountinfo (proc_pid_mountinfo(5)).
struct Mount {
  DeviceNumber device;      ///< of the superblock
  std::string mount_point;  ///< as that process sees it
  std::string type;         ///< "ext4", "nfs4", "fuse.gcsfuse"
  std::string source;       ///< "/dev/vda1", "server:/export"
  std::string options;      ///< the superblock's
};

/// The mounts that a process sees. At most 4 MiB of them are read;
/// empty where the process is gone.
std::vector<Mount> read_mounts(const KernelFs& kernel, std::string_view process);

/// Those that process 1 sees: a service has a name space of its own, without what ProtectHome=
/// hides.
std::vector<Mount> read_host_mounts(const KernelFs& kernel);

}  // namespace tuneshift
