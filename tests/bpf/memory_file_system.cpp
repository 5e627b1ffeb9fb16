// SPDX-License-Identifier: LGPL-2.1-or-later
#define FUSE_USE_VERSION 35
#include "tests/bpf/memory_file_system.h"

#include <fcntl.h>
#include <fuse3/fuse.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <stdexcept>

#include "daemon/unique_fd.h"

namespace tuneshift::test {

namespace {

constexpr char file_path[] = "/model";

// Of the server process.
std::atomic<uint64_t> file_size;
int ready_fd = -1;

void* tell_ready(fuse_conn_info*, fuse_config*) {
  const char byte = 1;
  if (write(ready_fd, &byte, 1) != 1) _exit(1);
  return nullptr;
}

int get_attributes(const char* path, struct stat* status, fuse_file_info*) {
  *status = {};
  const bool is_file = strcmp(path, file_path) == 0;
  if (!is_file && strcmp(path, "/") != 0) return -ENOENT;
  status->st_mode = is_file ? S_IFREG | 0600 : S_IFDIR | 0700;
  status->st_nlink = 1;
  status->st_size = is_file ? static_cast<off_t>(file_size.load()) : 0;
  return 0;
}

int read_file(const char*, char* buffer, size_t size, off_t offset, fuse_file_info*) {
  const uint64_t start = std::min<uint64_t>(static_cast<uint64_t>(offset), file_size);
  const size_t count = std::min<uint64_t>(size, file_size - start);
  memset(buffer, 'f', count);
  return static_cast<int>(count);
}

int write_file(const char*, const char*, size_t size, off_t offset, fuse_file_info*) {
  file_size = std::max<uint64_t>(file_size, static_cast<uint64_t>(offset) + size);
  return static_cast<int>(size);
}

[[noreturn]] void serve(const std::string& mount_point) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  fuse_operations operations{};
  operations.init = tell_ready;
  operations.getattr = get_attributes;
  operations.read = read_file;
  operations.write = write_file;
  std::string directory = mount_point;
  char name[] = "memory_file_system";
  char foreground[] = "-f";
  char* arguments[] = {name, foreground, directory.data(), nullptr};
  _exit(fuse_main(3, arguments, &operations, nullptr));
}

}  // namespace

MemoryFileSystem::MemoryFileSystem(const std::string& mount_point, uint64_t size)
    : mount_point_(mount_point) {
  int ends[2];
  if (mkdir(mount_point_.c_str(), 0700) != 0 || pipe2(ends, O_CLOEXEC) != 0)
    throw std::runtime_error("preparing the FUSE mount");
  const UniqueFd ready(ends[0]);
  UniqueFd tells(ends[1]);
  server_ = fork();
  if (server_ < 0) throw std::runtime_error("fork");
  if (server_ == 0) {
    file_size = size;
    ready_fd = tells.get();
    serve(mount_point_);
  }
  tells = UniqueFd();
  char byte = 0;
  if (read(ready.get(), &byte, 1) == 1) return;
  waitpid(server_, nullptr, 0);
  throw std::runtime_error("the FUSE server did not start");
}

MemoryFileSystem::~MemoryFileSystem() {
  umount2(mount_point_.c_str(), MNT_DETACH);
  kill(server_, SIGKILL);
  waitpid(server_, nullptr, 0);
}

}  // namespace tuneshift::test
