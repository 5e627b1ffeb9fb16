// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/prefetch/large_windows.h"

#include <unistd.h>

#include <vector>

#include "daemon/helper/held_descriptor.h"

namespace tuneshift {

namespace {

// More than the kernel's default window (VM_READAHEAD_PAGES, include/linux/mm.h): a read that asks
// for more than its window begins anew (page_cache_sync_ra()).
constexpr size_t read_bytes = size_t{256} << 10;
constexpr size_t most_descriptors = 8;

}  // namespace

void end_large_windows(int root_fd, int pidfd, const FoundFile& found, const FileId& file,
                       uint64_t file_size) {
  std::vector<char> data(read_bytes);
  size_t place = most_descriptors;
  for (const OpenDescriptor& one : found.descriptors) {
    if (one.direct) continue;
    if (place == 0) return;
    const UniqueFd held = take_descriptor(root_fd, pidfd, one.fd, file);
    if (!held) continue;
    // Each elsewhere, and far from where most readers begin: what is cached makes no window.
    const uint64_t at = file_size / 2 + file_size / 2 / (most_descriptors + 1) * place--;
    const auto offset = static_cast<off_t>(at / read_bytes * read_bytes);
    if (pread(held.get(), data.data(), data.size(), offset) < 0) continue;
  }
}

}  // namespace tuneshift
