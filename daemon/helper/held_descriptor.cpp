// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/helper/held_descriptor.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>

#include "daemon/helper/find_file.h"
#include "daemon/process_identity.h"

namespace tuneshift {

namespace {

constexpr size_t max_info_bytes = 4096;

// Of the descriptor that this process has by now: FUSE without allow_other tells root no inode.
bool has_inode(int root_fd, int fd, uint64_t inode) {
  const std::string path = "proc/self/fdinfo/" + std::to_string(fd);
  const UniqueFd file(openat(root_fd, path.c_str(), O_RDONLY | O_CLOEXEC));
  char text[max_info_bytes];
  const ssize_t got = file ? read(file.get(), text, sizeof text) : -1;
  return got > 0 && parse_field({text, static_cast<size_t>(got)}, "ino:") == inode;
}

}  // namespace

UniqueFd take_descriptor(int root_fd, int pidfd, int number, const FileId& file) {
  UniqueFd taken(static_cast<int>(syscall(SYS_pidfd_getfd, pidfd, number, 0)));
  const int flags = taken ? fcntl(taken.get(), F_GETFL) : -1;
  const bool reads =
      flags >= 0 && (flags & (O_PATH | O_DIRECT)) == 0 && (flags & O_ACCMODE) != O_WRONLY;
  if (!reads || match_device(taken.get(), file) == DeviceMatch::other ||
      !has_inode(root_fd, taken.get(), file.inode)) {
    return UniqueFd();
  }
  return taken;
}

}  // namespace tuneshift
