// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/compare/load_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <numeric>
#include <random>
#include <string_view>
#include <thread>

#include "client/child.h"
#include "client/compare/tensor_order.h"
#include "client/utf8.h"

namespace tuneshift {

namespace {

using Clock = std::chrono::steady_clock;

const auto kPageBytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
constexpr uint64_t kStepBytes = 1 << 20;
constexpr unsigned kThreads = 8;

class Mapping {
 public:
  Mapping(uint64_t bytes, int protection, int flags, int fd)
      : bytes_(bytes), memory_(mmap(nullptr, bytes, protection, flags, fd, 0)) {}
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() {
    if (ok()) munmap(memory_, bytes_);
  }

  [[nodiscard]] bool ok() const { return memory_ != MAP_FAILED; }
  [[nodiscard]] char* data() const { return static_cast<char*>(memory_); }

 private:
  uint64_t bytes_;
  void* memory_;
};

void touch(const char* data, uint64_t first, uint64_t last) {
  for (uint64_t at = first; at < last; at = (at / kPageBytes + 1) * kPageBytes) {
    static_cast<void>(*static_cast<const volatile char*>(data + at));
  }
}

void touch_randomly(const char* data, uint64_t bytes) {
  std::vector<uint64_t> pages((bytes + kPageBytes - 1) / kPageBytes);
  std::iota(pages.begin(), pages.end(), uint64_t{0});
  std::shuffle(pages.begin(), pages.end(), std::mt19937_64(1));
  for (const uint64_t page : pages) touch(data, page * kPageBytes, page * kPageBytes + 1);
}

Result<uint64_t> load_mapped(int fd, uint64_t bytes, ReadOrder reader, Clock::time_point start) {
  const Mapping mapping(bytes, PROT_READ, MAP_SHARED, fd);
  if (!mapping.ok()) return errno_error(errno, "mmap");
  if (reader == ReadOrder::random) {
    touch_randomly(mapping.data(), bytes);
  } else if (reader == ReadOrder::tensor) {
    const auto ranges = tensor_order(std::string_view(mapping.data(), bytes));
    if (ranges.empty()) return Error{ErrorCode::invalid_argument, "not a safetensors file", {}, 0};
    for (const auto& [first, last] : ranges) touch(mapping.data(), first, last);
  } else {
    touch(mapping.data(), 0, bytes);
  }
  return static_cast<uint64_t>((Clock::now() - start).count());
}

/// Reads the step at `at` into its place. O_DIRECT wants whole blocks: the last one may reach past
/// the end. An errno, or 0.
int read_step(int fd, char* memory, uint64_t at, uint64_t bytes) {
  const uint64_t end = std::min(at + kStepBytes, bytes);
  for (uint64_t done = at; done < end;) {
    const ssize_t got = pread(fd, memory + done, at + kStepBytes - done, static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return got < 0 ? errno : EIO;
    done += static_cast<uint64_t>(got);
  }
  return 0;
}

Result<uint64_t> load_copied(int fd, uint64_t bytes, unsigned threads, Clock::time_point start) {
  const uint64_t room = (bytes + kStepBytes - 1) / kStepBytes * kStepBytes;
  const Mapping memory(room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  if (!memory.ok()) return errno_error(errno, "allocating memory");
  std::atomic<uint64_t> next{0};
  std::atomic<int> failure{0};
  const auto work = [&] {
    for (uint64_t at = next.fetch_add(kStepBytes); at < bytes && failure == 0;
         at = next.fetch_add(kStepBytes)) {
      if (const int failed = read_step(fd, memory.data(), at, bytes); failed != 0) failure = failed;
    }
  };
  std::vector<std::thread> others;
  for (unsigned i = 1; i < threads; ++i) others.emplace_back(work);
  work();
  for (std::thread& other : others) other.join();
  if (failure != 0) return errno_error(failure, "reading");
  return static_cast<uint64_t>((Clock::now() - start).count());
}

}  // namespace

const std::vector<std::string>& reader_names() {
  static const std::vector<std::string> names = {"mmap", "tensor",  "random",
                                                 "read", "threads", "direct"};
  return names;
}

bool keeps_a_copy(ReadOrder reader) {
  return reader == ReadOrder::read || reader == ReadOrder::threads || reader == ReadOrder::direct;
}

Result<uint64_t> load_file(const std::string& path, ReadOrder reader) {
  const auto start = Clock::now();
  const int direct = reader == ReadOrder::direct ? O_DIRECT : 0;
  const OwnedFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | direct));
  struct stat info {};
  if (fd.get() < 0 || fstat(fd.get(), &info) != 0)
    return errno_error(errno, "opening " + printable(path));
  const auto bytes = static_cast<uint64_t>(info.st_size);
  const auto loaded =
      keeps_a_copy(reader)
          ? load_copied(fd.get(), bytes, reader == ReadOrder::read ? 1 : kThreads, start)
          : load_mapped(fd.get(), bytes, reader, start);
  return loaded ? loaded : loaded.error().with_context(printable(path));
}

}  // namespace tuneshift
