// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/helper/find_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include <cinttypes>
#include <cstdio>
#include <memory>
#include <string_view>

#include "daemon/inspect_protocol.h"
#include "daemon/process_identity.h"

namespace tuneshift {

namespace {

constexpr unsigned max_fds = 65536;
constexpr size_t max_maps_bytes = 16 << 20;
constexpr unsigned max_map_candidates = 64;

bool is_gpu_node(std::string_view target) {
  for (const std::string_view node : {"/dev/nvidia", "/dev/kfd", "/dev/dri/render"}) {
    if (target.substr(0, node.size()) == node) return true;
  }
  return false;
}

class Search {
 public:
  Search(const ProcessDir& process, const FileId& wanted) : process_(process), wanted_(wanted) {}

  Result<FoundFile> run() {
    search_descriptors();
    search_mappings();
    if (!found_.file) {
      return Error{ErrorCode::not_found, "the process holds no file of this inode", {}, 0};
    }
    struct statfs store {};
    if (fstatfs(found_.file.get(), &store) == 0) found_.fuse = store.f_type == FUSE_SUPER_MAGIC;
    return std::move(found_);
  }

 private:
  void search_descriptors() {
    const int fd = openat(process_.fd(), "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(fdopendir(fd), closedir);
    if (!directory) {
      close(fd);
      return;
    }
    unsigned seen = 0;
    while (const dirent* entry = readdir(directory.get())) {
      if (entry->d_name[0] == '.') continue;
      if (++seen > max_fds) break;
      look_at_descriptor(fd, entry->d_name);
    }
  }

  void look_at_descriptor(int fd_dir, const char* name) {
    std::string target = read_link_at(fd_dir, name);
    if (target.empty() || target[0] != '/') return;
    if (is_gpu_node(target)) found_.holds_gpu = true;
    // procfs knows the inode without asking the file's own file system, which may hang.
    const std::string info = process_.read(("fdinfo/" + std::string(name)).c_str(), 4096);
    if (parse_field(info, "ino:") != wanted_.inode) return;
    const auto flags = static_cast<int>(parse_field(info, "flags:", 8).value_or(0));
    if (!take(UniqueFd(openat(fd_dir, name, O_PATH | O_CLOEXEC)), target)) return;
    if ((flags & O_PATH) != 0 || found_.descriptors.size() == max_inspect_descriptors) return;
    const int number = std::atoi(name);
    const bool direct = (flags & O_DIRECT) != 0;
    found_.descriptors.push_back({number, direct});
    if ((flags & O_ACCMODE) == O_WRONLY || (found_.readable >= 0 && direct)) return;
    found_.readable = number;
  }

  // Names only: "start-end perms offset major:minor inode path".
  void search_mappings() {
    const UniqueFd maps(openat(process_.fd(), "maps", O_RDONLY | O_CLOEXEC));
    const UniqueFd files(openat(process_.fd(), "map_files", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!maps || !files) return;
    std::string text;
    char buffer[65536];
    size_t total = 0;
    unsigned candidates = 0;
    while (total < max_maps_bytes && found_.mapped_start == 0) {
      const ssize_t got = read(maps.get(), buffer, sizeof buffer);
      if (got <= 0) break;
      total += static_cast<size_t>(got);
      text.append(buffer, static_cast<size_t>(got));
      size_t at = 0;
      for (size_t end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
        const std::string line = text.substr(at, end - at);
        if (look_at_mapping(files.get(), line.c_str()) && ++candidates == max_map_candidates) {
          return;
        }
      }
      text.erase(0, at);
    }
  }

  // True when the line was worth opening.
  bool look_at_mapping(int files_fd, const char* line) {
    uint64_t start = 0;
    uint64_t end = 0;
    uint64_t offset = 0;
    uint64_t inode = 0;
    if (std::sscanf(line, "%" SCNx64 "-%" SCNx64 " %*4s %" SCNx64 " %*x:%*x %" SCNu64, &start, &end,
                    &offset, &inode) != 4 ||
        inode != wanted_.inode) {
      return false;
    }
    char name[64];
    std::snprintf(name, sizeof name, "%" PRIx64 "-%" PRIx64, start, end);
    if (take(UniqueFd(openat(files_fd, name, O_PATH | O_CLOEXEC)), read_link_at(files_fd, name))) {
      found_.mapped = true;
      if (offset == 0) found_.mapped_start = start;
    }
    return true;
  }

  // Whether the file is on the wanted device; keeps the first that is.
  bool take(UniqueFd file, const std::string& path) {
    const DeviceMatch match = file ? match_device(file.get(), wanted_) : DeviceMatch::other;
    if (match == DeviceMatch::other) return false;
    if (!found_.file) {
      found_.file = std::move(file);
      found_.path = path;
      found_.stacked = match == DeviceMatch::stacked;
    }
    return true;
  }

  const ProcessDir& process_;
  const FileId wanted_;
  FoundFile found_;
};

}  // namespace

DeviceMatch match_device(int fd, const FileId& wanted) {
  struct statx status {};
  // An empty mask asks for nothing, so that FUSE without allow_other answers too and no server is
  // asked.
  if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &status) != 0) return DeviceMatch::other;
  if (status.stx_dev_major == wanted.device_major && status.stx_dev_minor == wanted.device_minor) {
    return DeviceMatch::same;
  }
  struct statfs store {};
  const bool is_stacked = fstatfs(fd, &store) == 0 && (store.f_type == OVERLAYFS_SUPER_MAGIC ||
                                                       store.f_type == BTRFS_SUPER_MAGIC);
  return is_stacked ? DeviceMatch::stacked : DeviceMatch::other;
}

Result<FoundFile> find_file(const ProcessDir& process, const FileId& wanted) {
  return Search(process, wanted).run();
}

FileId shown_in_maps(const FoundFile& found, const FileId& file) {
  struct statx status {};
  if (!found.stacked ||
      statx(found.file.get(), "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &status) != 0) {
    return file;
  }
  return {status.stx_dev_major, status.stx_dev_minor, file.inode};
}

}  // namespace tuneshift
