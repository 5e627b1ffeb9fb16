// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/inspect/list_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "daemon/held_files.h"
#include "daemon/unique_fd.h"

namespace tuneshift {

namespace {

constexpr size_t max_fds = 65536;
constexpr size_t max_maps_bytes = 16 << 20;
constexpr size_t max_mapped_files = 4096;

using Directory = std::unique_ptr<DIR, int (*)(DIR*)>;

class Listing {
 public:
  Listing(const ProcessDir& process, uint64_t floor_bytes)
      : process_(process), floor_bytes_(floor_bytes) {}

  std::vector<HeldFile> run() {
    list_descriptors();
    list_mappings();
    return std::move(files_);
  }

 private:
  void list_descriptors() {
    const int fd = openat(process_.fd(), "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    const Directory directory(fdopendir(fd), closedir);
    if (!directory) {
      close(fd);
      return;
    }
    std::vector<int> numbers;
    while (const dirent* entry = readdir(directory.get())) {
      if (entry->d_name[0] == '.') continue;
      numbers.push_back(std::atoi(entry->d_name));
      if (numbers.size() == max_fds) break;
    }
    std::sort(numbers.rbegin(), numbers.rend());
    for (const int number : numbers) {
      const std::string name = std::to_string(number);
      // Sockets and pipes have no path.
      if (!read_link_at(fd, name.c_str()).starts_with('/')) continue;
      if (!take(UniqueFd(openat(fd, name.c_str(), O_PATH | O_CLOEXEC)))) return;
    }
  }

  // "start-end perms offset major:minor inode path".
  void list_mappings() {
    const UniqueFd directory(openat(process_.fd(), "map_files", O_PATH | O_DIRECTORY | O_CLOEXEC));
    const std::string maps = process_.read("maps", max_maps_bytes);
    std::set<std::string> seen;  // "major:minor inode" of each
    for (size_t at = 0, end = 0; (end = maps.find('\n', at)) != std::string::npos; at = end + 1) {
      const std::string line = maps.substr(at, end - at);
      uint64_t first = 0;
      uint64_t last = 0;
      uint64_t inode = 0;
      char device[16];
      if (std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " %*s %*x %15s %" SCNu64, &first, &last,
                      device, &inode) != 4 ||
          inode == 0) {
        continue;
      }
      if (!seen.insert(device + (' ' + std::to_string(inode))).second) continue;
      if (seen.size() > max_mapped_files) return;
      char name[64];
      std::snprintf(name, sizeof name, "%" PRIx64 "-%" PRIx64, first, last);
      if (!take(UniqueFd(openat(directory.get(), name, O_PATH | O_CLOEXEC)))) return;
    }
  }

  // False when there is room for no more. An O_PATH descriptor asks nothing of the file's server.
  bool take(UniqueFd file) {
    struct statx status {};
    if (!file || statx(file.get(), "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS,
                       &status) != 0) {
      return true;
    }
    if (!S_ISREG(status.stx_mode) || status.stx_size < floor_bytes_) return true;
    const FileId id{status.stx_dev_major, status.stx_dev_minor, status.stx_ino};
    const bool known = std::any_of(files_.begin(), files_.end(),
                                   [&](const HeldFile& other) { return other.file == id; });
    struct statfs store {};
    if (known || fstatfs(file.get(), &store) != 0) return true;
    if (store.f_type == TMPFS_MAGIC || store.f_type == HUGETLBFS_MAGIC) return true;
    // Overlayfs has no device of its own, but what is below it does.
    files_.push_back(
        {id, status.stx_size, status.stx_dev_major != 0 || store.f_type == OVERLAYFS_SUPER_MAGIC});
    return files_.size() < most_held_files;
  }

  const ProcessDir& process_;
  const uint64_t floor_bytes_;
  std::vector<HeldFile> files_;
};

}  // namespace

std::vector<HeldFile> list_files(const ProcessDir& process, uint64_t floor_bytes) {
  return Listing(process, floor_bytes).run();
}

}  // namespace tuneshift
