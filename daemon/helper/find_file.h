// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/helper/process_dir.h"
#include "daemon/unique_fd.h"
#include "libtune/event.h"
#include "libtune/facts.h"
#include "libtune/result.h"

namespace tuneshift {

/// The file behind a device and inode number, found through what a process holds of it. Nothing of
/// it was opened for reading or asked of its file system's server, except for the type of the file
/// system.
struct FoundFile {
  UniqueFd file;     ///< O_PATH
  std::string path;  ///< as the process's mount namespace names it
  bool fuse = false;
  bool stacked = false;  ///< overlayfs or btrfs: stat(2) shows another device than the event
  bool mapped = false;
  uint64_t mapped_start = 0;  ///< address of a mapping of the file's first page, 0 when none
  std::vector<OpenDescriptor> descriptors;
  int readable = -1;  ///< number of a descriptor that the process may read from, buffered first
  bool holds_gpu = false;
};

/// Looks through proc/PID/fd, then proc/PID/maps. not_found when the process holds no such file.
Result<FoundFile> find_file(const ProcessDir& process, const FileId& wanted);

/// Whether an open file is on the device of the event that told of `wanted`.
enum class DeviceMatch {
  same,
  stacked,  ///< overlayfs or btrfs, which show another device: perhaps
  other,
};
/// Asks nothing of the file's store.
DeviceMatch match_device(int fd, const FileId& wanted);

/// The file as proc/PID/maps shows it: overlayfs its own device, as stat(2) does, the others that
/// of the event.
FileId shown_in_maps(const FoundFile& found, const FileId& file);

}  // namespace tuneshift
