// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/prefetch/fuse_connection.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

namespace tuneshift {

namespace {

constexpr const char* mounted_at = "sys/fs/fuse/connections";
constexpr auto fusectl_magic = 0x65735543;  // FUSE_CTL_SUPER_MAGIC, fs/fuse/control.c

UniqueFd mounted_connections(int root_fd) {
  UniqueFd folder(openat(root_fd, mounted_at, O_PATH | O_DIRECTORY | O_CLOEXEC));
  struct statfs system {};
  if (!folder || fstatfs(folder.get(), &system) != 0 || system.f_type != fusectl_magic) return {};
  return folder;
}

// Nowhere in the tree.
UniqueFd mount_connections() {
  const UniqueFd context(static_cast<int>(syscall(SYS_fsopen, "fusectl", FSOPEN_CLOEXEC)));
  if (!context ||
      syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    return {};
  }
  return UniqueFd(static_cast<int>(syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, 0)));
}

// These files cannot be read a second time, nor from their beginning.
Result<uint64_t> read_number(const UniqueFd& folder, const char* name) {
  const UniqueFd file(openat(folder.get(), name, O_RDONLY | O_CLOEXEC));
  char text[32] = {};
  const ssize_t got = file ? read(file.get(), text, sizeof text - 1) : -1;
  if (got < 0) return errno_error(errno, "read the FUSE connection's state", name);
  if (got == 0) return Error{ErrorCode::not_found, "the FUSE connection has gone", {}, 0};
  return std::strtoull(text, nullptr, 10);
}

}  // namespace

Result<FuseConnection> FuseConnection::open(int root_fd, const FileId& file) {
  // Not every machine has it mounted; but the filter of system calls of the service, to which
  // systemd would have to add those that mount, is for machines where systemd does.
  UniqueFd connections = mounted_connections(root_fd);
  if (!connections) connections = mount_connections();
  if (!connections) return errno_error(errno, "mount fusectl");
  // Named by the number of its device: s_dev, 12 bits of major over 20 of minor.
  const std::string name = std::to_string(uint64_t{file.device_major} << 20 | file.device_minor);
  FuseConnection connection;
  connection.folder_ =
      UniqueFd(openat(connections.get(), name.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  struct stat status {};
  if (!connection.folder_ || fstat(connection.folder_.get(), &status) != 0) {
    return errno_error(errno, "find the FUSE connection", name);
  }
  connection.owner_ = status.st_uid;
  auto threshold = read_number(connection.folder_, "congestion_threshold");
  if (!threshold) return threshold.error();
  if (threshold.value() == 0) {
    return Error{ErrorCode::unsupported, "the FUSE connection drops all read-ahead", {}, 0};
  }
  connection.threshold_ = threshold.value();
  return connection;
}

Result<uint64_t> FuseConnection::room() const {
  auto waiting = read_number(folder_, "waiting");
  if (!waiting) return waiting.error();
  // The readers add requests of their own between this look and the calls that it is for.
  const uint64_t usable = threshold_ - threshold_ / 4;
  return usable > waiting.value() ? usable - waiting.value() : 0;
}

}  // namespace tuneshift
