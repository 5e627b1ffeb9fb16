// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/pinned_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>

#include "daemon/unique_fd.h"

namespace tuneshift {

PinnedFile::PinnedFile(const std::string& path, size_t most_bytes) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  struct stat status {};
  if (!fd || fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) return;
  length_ = std::min(most_bytes, static_cast<size_t>(status.st_size));
  void* const map = mmap(nullptr, length_, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (map == MAP_FAILED) return;
  map_ = map;
  // Without the permission the pages are read now, and kept for as long as the kernel likes.
  if (mlock(map_, length_) != 0) madvise(map_, length_, MADV_WILLNEED);
}

PinnedFile::~PinnedFile() {
  if (map_ != nullptr) munmap(map_, length_);
}

}  // namespace tuneshift
