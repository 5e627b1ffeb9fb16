// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/prefetch/large_windows.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <vector>

#include "daemon/unique_fd.h"

namespace tuneshift {

namespace {

// More than the kernel's default window (VM_READAHEAD_PAGES, include/linux/mm.h): a read that asks
// for more than its window begins anew (page_cache_sync_ra()).
constexpr size_t read_bytes = size_t{256} << 10;
constexpr size_t most_descriptors = 8;

bool is_same(int left, int right) {
  struct statx one {};
  struct statx other {};
  constexpr int flags = AT_EMPTY_PATH | AT_STATX_DONT_SYNC;
  return statx(left, "", flags, STATX_INO, &one) == 0 &&
         statx(right, "", flags, STATX_INO, &other) == 0 && one.stx_ino == other.stx_ino &&
         one.stx_dev_major == other.stx_dev_major && one.stx_dev_minor == other.stx_dev_minor;
}

}  // namespace

void end_large_windows(int pidfd, const FoundFile& found, uint64_t file_size) {
  std::vector<char> data(read_bytes);
  size_t place = most_descriptors;
  for (const OpenDescriptor& one : found.descriptors) {
    if (one.direct) continue;
    if (place == 0) return;
    const UniqueFd file(static_cast<int>(syscall(SYS_pidfd_getfd, pidfd, one.fd, 0)));
    // The number may be another file's by now.
    if (!file || !is_same(file.get(), found.file.get())) continue;
    // Each elsewhere, and far from where most readers begin: what is cached makes no window.
    const uint64_t at = file_size / 2 + file_size / 2 / (most_descriptors + 1) * place--;
    const auto offset = static_cast<off_t>(at / read_bytes * read_bytes);
    if (pread(file.get(), data.data(), data.size(), offset) < 0) continue;
  }
}

}  // namespace tuneshift
