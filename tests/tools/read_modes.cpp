// SPDX-License-Identifier: LGPL-2.1-or-later
#include "read_modes.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <random>
#include <string_view>
#include <thread>
#include <vector>

#include "client/compare/tensor_order.h"
#include "read_queues.h"

namespace tuneshift {
namespace {

const auto page_bytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
constexpr uint64_t read_bytes = 64 << 10;
constexpr uint64_t direct_bytes = 1 << 20;
// Far below where the kernel places mappings by itself, far above the heap.
constexpr uintptr_t hinted_address = 0x200000000000;

[[noreturn]] void fail(const std::string& path, const char* what) {
  std::fprintf(stderr, "reader: %s: %s\n", path.c_str(), what);
  std::exit(1);
}

uint64_t touch(const char* data, uint64_t first, uint64_t last) {
  uint64_t sum = 0;
  for (uint64_t at = first; at < last; at = (at / page_bytes + 1) * page_bytes) {
    sum += static_cast<unsigned char>(*static_cast<const volatile char*>(data + at));
  }
  return sum;
}

uint64_t touch_randomly(const char* data, uint64_t size) {
  std::vector<uint32_t> pages((size + page_bytes - 1) / page_bytes);
  std::iota(pages.begin(), pages.end(), 0U);
  std::shuffle(pages.begin(), pages.end(), std::mt19937(1));
  uint64_t sum = 0;
  for (uint64_t page : pages) sum += touch(data, page * page_bytes, page * page_bytes + 1);
  return sum;
}

uint64_t touch_mapping(const std::string& path, const char* data, uint64_t size, ReadMode mode) {
  if (mode == ReadMode::mmap_sequential) return touch(data, 0, size);
  if (mode == ReadMode::mmap_random) return touch_randomly(data, size);
  uint64_t sum = 0;
  const std::vector<Range> ranges = tensor_order(std::string_view(data, size));
  if (ranges.empty()) fail(path, "not a safetensors file");
  for (const auto& [first, last] : ranges) sum += touch(data, first, last);
  return sum;
}

void load_mapped(const std::string& path, const ReadSettings& settings, Loaded& loaded) {
  const uint64_t size = loaded.bytes;
  void* hint = settings.hinted ? reinterpret_cast<void*>(hinted_address) : nullptr;
  const int flags = MAP_SHARED | (settings.populate ? MAP_POPULATE : 0);
  void* data = mmap(hint, size, PROT_READ, flags, loaded.fd, 0);
  if (data == MAP_FAILED) fail(path, std::strerror(errno));
  loaded.memory = std::shared_ptr<void>(data, [size](void* mapping) { munmap(mapping, size); });
  if (settings.close_descriptor) {
    close(loaded.fd);
    loaded.fd = -1;
  }
  if (settings.memory_advice >= 0 && madvise(data, size, settings.memory_advice) != 0) {
    fail(path, std::strerror(errno));
  }
  loaded.sum = touch_mapping(path, static_cast<const char*>(data), size, settings.mode);
}

// Reads [first, last) in steps into its place in `memory`, or into one step's space when that is
// discarded.
void read_range(const std::string& path, int fd, char* memory, Range range, uint64_t step,
                bool discard) {
  for (uint64_t at = range.first; at < range.second;) {
    char* target = discard ? memory : memory + at;
    const ssize_t got =
        pread(fd, target, std::min(step, range.second - at), static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) fail(path, got < 0 ? std::strerror(errno) : "ends early");
    at += static_cast<uint64_t>(got);
  }
}

char* allocate(const std::string& path, uint64_t size) {
  void* memory = nullptr;
  if (posix_memalign(&memory, page_bytes, size) != 0) fail(path, "out of memory");
  return static_cast<char*>(memory);
}

// Threads take the steps in turn, so that the file is read from front to back by all of them.
void load_in_threads(const std::string& path, const ReadSettings& settings, uint64_t step,
                     char* memory, const Loaded& loaded) {
  std::atomic<uint64_t> next{0};
  auto work = [&] {
    char* own = settings.discard ? allocate(path, step) : memory;
    for (uint64_t at = next.fetch_add(step); at < loaded.bytes; at = next.fetch_add(step)) {
      // O_DIRECT wants whole blocks: the last one may reach past the end.
      const uint64_t end = std::min(at + step, loaded.bytes);
      read_range(path, loaded.fd, own, {at, end}, step, settings.discard);
    }
    if (settings.discard) std::free(own);
  };
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < settings.threads; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
}

uint64_t step_of(const ReadSettings& settings) {
  if (settings.step_bytes != 0) return settings.step_bytes;
  if (settings.mode == ReadMode::read) return read_bytes;
  return settings.mode == ReadMode::pread ? 16 * direct_bytes : direct_bytes;
}

bool is_direct(ReadMode mode) {
  return mode == ReadMode::direct || mode == ReadMode::aio || mode == ReadMode::uring_direct;
}

// Several requests in flight, by one thread.
bool read_queued(const Loaded& loaded, ReadMode mode, char* memory, uint64_t step) {
  if (mode == ReadMode::aio) return read_by_aio(loaded.fd, memory, loaded.bytes, step);
  const UringSubmit submit = mode == ReadMode::uring_async    ? UringSubmit::worker
                             : mode == ReadMode::uring_sqpoll ? UringSubmit::polling
                                                              : UringSubmit::inline_;
  return read_by_uring(loaded.fd, memory, loaded.bytes, step, submit);
}

void load_read(const std::string& path, const ReadSettings& settings, Loaded& loaded) {
  const uint64_t step = step_of(settings);
  const uint64_t room = settings.discard ? step : (loaded.bytes + step - 1) / step * step;
  char* memory = allocate(path, room);
  loaded.memory = std::shared_ptr<void>(memory, std::free);
  if (settings.mode == ReadMode::read) {
    read_range(path, loaded.fd, memory, {0, loaded.bytes}, step, settings.discard);
  } else if (settings.mode == ReadMode::pread || settings.mode == ReadMode::direct) {
    load_in_threads(path, settings, step, memory, loaded);
  } else if (!read_queued(loaded, settings.mode, memory, step)) {
    fail(path, std::strerror(errno));
  }
  loaded.sum = settings.discard ? 0 : touch(memory, 0, loaded.bytes);
}

}  // namespace

Loaded load_file(const std::string& path, const ReadSettings& settings) {
  const int flags = is_direct(settings.mode) ? O_DIRECT : 0;
  Loaded loaded;
  loaded.fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | flags);
  struct stat attributes {};
  if (loaded.fd < 0 || fstat(loaded.fd, &attributes) != 0) fail(path, std::strerror(errno));
  loaded.bytes = static_cast<uint64_t>(attributes.st_size);
  if (loaded.bytes == 0) fail(path, "empty");
  if (settings.advice >= 0) posix_fadvise(loaded.fd, 0, 0, settings.advice);
  const bool mapped = settings.mode == ReadMode::mmap_sequential ||
                      settings.mode == ReadMode::mmap_tensor ||
                      settings.mode == ReadMode::mmap_random;
  if (mapped) {
    load_mapped(path, settings, loaded);
  } else {
    load_read(path, settings, loaded);
  }
  return loaded;
}

}  // namespace tuneshift
