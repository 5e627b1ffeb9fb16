// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/bpf/read_ways.h"

#include <fcntl.h>
#include <liburing.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <thread>

#include "daemon/unique_fd.h"

namespace tuneshift::test {

namespace {

constexpr size_t chunk = 1 << 20;
constexpr size_t direct_chunk = 8 << 20;  // more than one bio holds
constexpr size_t page = 4096;
constexpr unsigned threads = 4;
constexpr unsigned queue_depth = 8;

struct Free {
  void operator()(char* memory) const { free(memory); }
};

std::unique_ptr<char, Free> aligned_buffer(size_t size) {
  return std::unique_ptr<char, Free>(static_cast<char*>(aligned_alloc(page, size)));
}

size_t size_of(int fd) {
  struct stat status {};
  return fstat(fd, &status) == 0 ? static_cast<size_t>(status.st_size) : 0;
}

bool read_all(int fd, size_t size) {
  const auto buffer = aligned_buffer(size);
  for (;;) {
    const ssize_t got = read(fd, buffer.get(), size);
    if (got <= 0) return got == 0;
  }
}

}  // namespace

bool read_mapped(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const size_t size = size_of(fd.get());
  auto* memory = static_cast<char*>(mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0));
  if (memory == MAP_FAILED) return false;
  volatile char sink = 0;
  for (size_t offset = 0; offset < size; offset += page) sink = memory[offset];
  return sink == memory[size - page];
}

bool read_sequentially(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return fd && read_all(fd.get(), chunk);
}

bool read_in_threads(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const size_t share = size_of(fd.get()) / threads;
  std::atomic<bool> good = true;
  std::array<std::thread, threads> readers;
  for (unsigned i = 0; i < threads; ++i)
    readers[i] = std::thread([&, i] {
      const auto buffer = aligned_buffer(chunk);
      for (size_t offset = i * share; offset < (i + 1) * share; offset += chunk)
        if (pread(fd.get(), buffer.get(), chunk, static_cast<off_t>(offset)) != chunk) good = false;
    });
  for (std::thread& reader : readers) reader.join();
  return good;
}

bool read_directly(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
  return fd && read_all(fd.get(), direct_chunk);
}

bool read_by_io_uring(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const size_t size = size_of(fd.get());
  io_uring ring{};
  if (io_uring_queue_init(queue_depth, &ring, 0) != 0) return false;
  std::array<std::unique_ptr<char, Free>, queue_depth> buffers;
  for (auto& buffer : buffers) buffer = aligned_buffer(chunk);
  bool good = true;
  for (size_t offset = 0; offset < size && good;) {
    unsigned submitted = 0;
    for (; submitted < queue_depth && offset < size; ++submitted, offset += chunk) {
      io_uring_sqe* entry = io_uring_get_sqe(&ring);
      io_uring_prep_read(entry, fd.get(), buffers[submitted].get(), chunk, offset);
      entry->flags |= IOSQE_ASYNC;  // by a worker thread: not the reading program's own name
    }
    good = io_uring_submit(&ring) == static_cast<int>(submitted);
    for (unsigned i = 0; i < submitted && good; ++i) {
      io_uring_cqe* done = nullptr;
      good = io_uring_wait_cqe(&ring, &done) == 0 && done->res == static_cast<int>(chunk);
      if (done != nullptr) io_uring_cqe_seen(&ring, done);
    }
  }
  io_uring_queue_exit(&ring);
  return good;
}

}  // namespace tuneshift::test
