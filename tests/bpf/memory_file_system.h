// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace tuneshift::test {

/// A mounted FUSE file system with one file, "model": `size` bytes, which may be read and appended
/// to. Its server is a process of its own that dies with the test; the mount goes with the object.
class MemoryFileSystem {
 public:
  MemoryFileSystem(const std::string& mount_point, uint64_t size);
  MemoryFileSystem(const MemoryFileSystem&) = delete;
  MemoryFileSystem& operator=(const MemoryFileSystem&) = delete;
  ~MemoryFileSystem();

  [[nodiscard]] std::string file() const { return mount_point_ + "/model"; }

 private:
  std::string mount_point_;
  pid_t server_ = -1;
};

}  // namespace tuneshift::test
