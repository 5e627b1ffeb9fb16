// SPDX-License-Identifier: LGPL-2.1-or-later
#include "served_files.h"

#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>

namespace tuneshift {

ServedFile::ServedFile(int fd) : fd_(fd) {
  struct statfs store {};
  struct stat attributes {};
  if (fstatfs(fd_, &store) != 0 || store.f_type != TMPFS_MAGIC) return;
  if (fstat(fd_, &attributes) != 0 || attributes.st_size == 0) return;
  size_ = static_cast<size_t>(attributes.st_size);
  void* start = mmap(nullptr, size_, PROT_READ, MAP_SHARED, fd_, 0);
  if (start != MAP_FAILED) data_ = static_cast<char*>(start);
}

ServedFile::~ServedFile() {
  if (data_ != nullptr) munmap(data_, size_);
  close(fd_);
}

ssize_t ServedFile::take(uint64_t offset, size_t wanted, const char*& data) const {
  if (data_ == nullptr) {
    thread_local std::vector<char> buffer;
    if (buffer.size() < wanted) buffer.resize(wanted);
    data = buffer.data();
    return pread(fd_, buffer.data(), wanted, static_cast<off_t>(offset));
  }
  struct stat attributes {};
  if (fstat(fd_, &attributes) != 0) return -1;
  const uint64_t end = std::min<uint64_t>(static_cast<uint64_t>(attributes.st_size), size_);
  if (offset >= end) return 0;
  // Pages that are not mapped would be taken one by one. A hint.
  static const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const uint64_t begin = offset / page * page;
  const uint64_t length = std::min<uint64_t>(wanted, end - offset);
  madvise(data_ + begin, offset + length - begin, MADV_POPULATE_READ);
  data = data_ + offset;
  return static_cast<ssize_t>(length);
}

ServedFile* ServedFiles::add(int fd) {
  auto file = std::make_unique<ServedFile>(fd);
  std::lock_guard lock(mutex_);
  return files_.emplace_back(std::move(file)).get();
}

void ServedFiles::remove(const ServedFile* file) {
  std::lock_guard lock(mutex_);
  const auto found = std::find_if(files_.begin(), files_.end(),
                                  [file](const auto& one) { return one.get() == file; });
  if (found != files_.end()) files_.erase(found);
}

}  // namespace tuneshift
