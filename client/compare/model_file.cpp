// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/compare/model_file.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <vector>

#include "client/utf8.h"

namespace tuneshift {

namespace {

// Pages that are just being read are locked, and stay at the first try.
constexpr int kTries = 3;

Error refused(ErrorCode code, const std::string& path, const std::string& why) {
  return {code, printable(path) + ": " + why, path, 0};
}

Error system_error(const std::string& path) {
  return errno_error(errno, "reading " + printable(path));
}

bool lies_in_memory(int fd) {
  struct statfs system {};
  if (fstatfs(fd, &system) != 0) return false;
  const auto type = static_cast<uint64_t>(system.f_type);
  return type == TMPFS_MAGIC || type == RAMFS_MAGIC || type == HUGETLBFS_MAGIC;
}

Result<uint64_t> cached_bytes(const ModelFile& file) {
  void* mapping = mmap(nullptr, file.size_bytes, PROT_READ, MAP_SHARED, file.fd.get(), 0);
  if (mapping == MAP_FAILED) return system_error(file.path);
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> pages((file.size_bytes + page - 1) / page);
  const int failed = mincore(mapping, file.size_bytes, pages.data());
  const int reason = errno;
  munmap(mapping, file.size_bytes);
  if (failed != 0) return errno_error(reason, "reading " + printable(file.path));
  const auto is_cached = [](unsigned char state) { return (state & 1U) != 0; };
  return static_cast<uint64_t>(std::count_if(pages.begin(), pages.end(), is_cached)) * page;
}

}  // namespace

Result<ModelFile> open_model_file(const std::string& path) {
  struct stat info {};
  // Looked at first: opening a FIFO would wait, and a device may do anything.
  if (stat(path.c_str(), &info) != 0) return system_error(path);
  if (S_ISDIR(info.st_mode))
    return refused(ErrorCode::invalid_argument, path, "a directory: name one of its files");
  if (!S_ISREG(info.st_mode)) return refused(ErrorCode::invalid_argument, path, "not a file");
  OwnedFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (fd.get() < 0 || fstat(fd.get(), &info) != 0) return system_error(path);
  if (info.st_size == 0) return refused(ErrorCode::invalid_argument, path, "empty");
  if (static_cast<uint64_t>(info.st_size) < least_model_bytes) {
    return refused(ErrorCode::invalid_argument, path,
                   "smaller than 16 MiB: starting a process takes longer than reading it");
  }
  if (lies_in_memory(fd.get())) {
    return refused(ErrorCode::unsupported, path,
                   "lies in memory already: there is nothing to read");
  }
  char* real = realpath(path.c_str(), nullptr);
  if (real == nullptr) return system_error(path);
  const std::string absolute = real;
  std::free(real);
  const bool can_tell = geteuid() == 0 || geteuid() == info.st_uid ||
                        faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) == 0;
  return ModelFile{std::move(fd),      absolute,           static_cast<uint64_t>(info.st_size),
                   major(info.st_dev), minor(info.st_dev), can_tell};
}

Result<uint64_t> make_cold(const ModelFile& file) {
  // Dirty pages would stay.
  if (fdatasync(file.fd.get()) != 0) return system_error(file.path);
  Result<uint64_t> left = uint64_t{0};
  for (int attempt = 0; attempt < kTries; ++attempt) {
    if (const int failure = posix_fadvise(file.fd.get(), 0, 0, POSIX_FADV_DONTNEED); failure != 0)
      return errno_error(failure, "reading " + printable(file.path));
    if (!file.can_tell_cached) break;
    left = cached_bytes(file);
    if (!left || left.value() == 0) break;
  }
  return left;
}

}  // namespace tuneshift
