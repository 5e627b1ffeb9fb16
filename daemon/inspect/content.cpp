// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/inspect/content.h"

#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "libtune/format_rule.h"

namespace tuneshift {

namespace {

constexpr uint64_t sample_bytes = 1 << 20;
constexpr uint64_t max_samples = 64;

// Resident bytes in one window of the file, counted in whole pages.
std::optional<uint64_t> resident_in(int fd, uint64_t offset, uint64_t length) {
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  void* const window = mmap(nullptr, length, PROT_READ, MAP_SHARED, fd, static_cast<off_t>(offset));
  if (window == MAP_FAILED) return std::nullopt;
  std::vector<unsigned char> pages((length + page - 1) / page);
  const bool known = mincore(window, length, pages.data()) == 0;
  munmap(window, length);
  if (!known) return std::nullopt;
  const auto resident =
      std::count_if(pages.begin(), pages.end(), [](unsigned char p) { return (p & 1) != 0; });
  return std::min(length, static_cast<uint64_t>(resident) * page);
}

}  // namespace

Result<std::string> read_beginning(int fd) {
  // O_DIRECT asks for aligned memory, offset and length.
  alignas(header_bytes) char buffer[header_bytes];
  const ssize_t got = pread(fd, buffer, sizeof buffer, 0);
  if (got < 0) return errno_error(errno, "read");
  return std::string(buffer, static_cast<size_t>(got));
}

std::optional<std::string> read_cached_beginning(int fd) {
  std::string bytes(header_bytes, '\0');
  const iovec whole{bytes.data(), bytes.size()};
  const ssize_t got = preadv2(fd, &whole, 1, 0, RWF_NOWAIT);
  if (got <= 0) return std::nullopt;
  bytes.resize(static_cast<size_t>(got));
  return bytes;
}

Result<std::string> read_mapped_beginning(pid_t pid, uint64_t address) {
  std::string bytes(header_bytes, '\0');
  const iovec local{bytes.data(), bytes.size()};
  const iovec remote{reinterpret_cast<void*>(address), bytes.size()};  // NOLINT: another's address
  const ssize_t got = process_vm_readv(pid, &local, 1, &remote, 1, 0);
  if (got < 0) return errno_error(errno, "read the mapping");
  bytes.resize(static_cast<size_t>(got));
  return bytes;
}

std::optional<uint64_t> resident_bytes(int fd, uint64_t file_size, bool may_ask) {
  if (!may_ask || file_size == 0) return std::nullopt;
  const uint64_t windows = (file_size + sample_bytes - 1) / sample_bytes;
  const uint64_t samples = std::min(windows, max_samples);
  uint64_t asked = 0;
  uint64_t resident = 0;
  for (uint64_t i = 0; i < samples; ++i) {
    // Spread evenly, the first and the last window among them.
    const uint64_t window = samples == 1 ? 0 : i * (windows - 1) / (samples - 1);
    const uint64_t offset = window * sample_bytes;
    const uint64_t length = std::min(sample_bytes, file_size - offset);
    const auto here = resident_in(fd, offset, length);
    if (!here) return std::nullopt;
    asked += length;
    resident += *here;
  }
  if (resident == asked) return file_size;
  return static_cast<uint64_t>(static_cast<double>(file_size) * static_cast<double>(resident) /
                               static_cast<double>(asked));
}

}  // namespace tuneshift
