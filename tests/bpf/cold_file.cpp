// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/bpf/cold_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <vector>

#include "daemon/unique_fd.h"

namespace tuneshift::test {

namespace {

constexpr size_t chunk = 1 << 20;

void require(bool condition, const std::string& what) {
  if (!condition) throw std::runtime_error(what);
}

size_t resident_pages(int fd, uint64_t size) {
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  void* const map = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  require(map != MAP_FAILED, "mmap");
  std::vector<unsigned char> pages((size + page - 1) / page);
  const bool known = mincore(map, size, pages.data()) == 0;
  munmap(map, size);
  require(known, "mincore");
  return static_cast<size_t>(
      std::count_if(pages.begin(), pages.end(), [](unsigned char p) { return (p & 1) != 0; }));
}

}  // namespace

ScratchDirectory::ScratchDirectory() : path_("/var/tmp/tuneshift-bpf.XXXXXX") {
  require(mkdtemp(path_.data()) != nullptr, "mkdtemp " + path_);
  require(file_id(path_).device_major != 0, "these tests need a disk under /var/tmp");
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

ColdFile::ColdFile(const ScratchDirectory& directory, uint64_t size)
    : path_(directory.path() + "/model"), size_(size) {
  const UniqueFd fd(open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  require(bool(fd), "creating " + path_);
  const std::vector<char> data(chunk, 'm');
  for (uint64_t offset = 0; offset < size; offset += chunk)
    require(pwrite(fd.get(), data.data(), chunk, static_cast<off_t>(offset)) == chunk, "pwrite");
  require(fsync(fd.get()) == 0, "fsync");
  make_cold();
}

FileId ColdFile::id() const {
  return file_id(path_);
}

void ColdFile::make_cold() const {
  const UniqueFd fd(open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  // Pages that somebody holds for a moment, such as compaction, are kept: tried again, not for
  // ever.
  constexpr int most_tries = 100;
  for (int i = 0; i < most_tries; ++i) {
    require(fd && posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED) == 0, "posix_fadvise");
    if (resident_pages(fd.get(), size_) == 0) return;
  }
}

FileId file_id(const std::string& path) {
  struct stat status {};
  require(stat(path.c_str(), &status) == 0, "stat " + path);
  return {major(status.st_dev), minor(status.st_dev), status.st_ino};
}

}  // namespace tuneshift::test
