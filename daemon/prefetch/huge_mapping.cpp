// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/prefetch/huge_mapping.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstddef>

namespace tuneshift {

namespace {

// Unmapped again at once: what is mapped is the last that the kernel reclaims.
class Reservation {
 public:
  explicit Reservation(size_t size)
      : size_(size),
        at_(mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {}
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;
  ~Reservation() {
    if (*this) munmap(at_, size_);
  }
  explicit operator bool() const { return at_ != MAP_FAILED; }
  /// The first address within it that a huge page may have.
  [[nodiscard]] void* aligned() const {
    const auto past = reinterpret_cast<uintptr_t>(at_) % huge_page_bytes;
    return static_cast<std::byte*>(at_) + (past == 0 ? 0 : huge_page_bytes - past);
  }

 private:
  size_t size_;
  void* at_;
};

}  // namespace

Status read_by_huge_mapping(int fd, uint64_t first, uint64_t last) {
  const size_t size = last - first;
  const Reservation reserved(size + huge_page_bytes);
  if (!reserved) return errno_error(errno, "reserve addresses");
  void* const at = mmap(reserved.aligned(), size, PROT_READ, MAP_SHARED | MAP_FIXED, fd,
                        static_cast<off_t>(first));
  if (at == MAP_FAILED || madvise(at, size, MADV_HUGEPAGE) != 0 ||
      madvise(at, size, MADV_POPULATE_READ) != 0) {
    return errno_error(errno, "read through a mapping");
  }
  return {};
}

}  // namespace tuneshift
