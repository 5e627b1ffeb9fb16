// SPDX-License-Identifier: LGPL-2.1-or-later
#include "read_queues.h"

#include <liburing.h>
#include <linux/aio_abi.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace tuneshift {
namespace {

constexpr unsigned queue_depth = 8;

struct Done {
  unsigned slot = 0;
  int64_t result = 0;  ///< bytes, or a negative errno
};

class Uring {
 public:
  explicit Uring(UringSubmit submit) : submit_(submit) {
    const unsigned flags = submit == UringSubmit::polling ? IORING_SETUP_SQPOLL : 0;
    failure_ = io_uring_queue_init(queue_depth, &ring_, flags);
  }
  Uring(const Uring&) = delete;
  Uring& operator=(const Uring&) = delete;
  ~Uring() {
    if (failure_ == 0) io_uring_queue_exit(&ring_);
  }

  [[nodiscard]] int failure() const { return -failure_; }

  bool start(unsigned slot, int fd, char* target, uint64_t size, uint64_t offset) {
    io_uring_sqe* entry = io_uring_get_sqe(&ring_);
    // The polling thread has not taken the last ones yet.
    while (entry == nullptr && io_uring_sqring_wait(&ring_) >= 0) entry = io_uring_get_sqe(&ring_);
    if (entry == nullptr) return false;
    io_uring_prep_read(entry, fd, target, static_cast<unsigned>(size), offset);
    if (submit_ == UringSubmit::worker) entry->flags |= IOSQE_ASYNC;
    io_uring_sqe_set_data64(entry, slot);
    return io_uring_submit(&ring_) >= 0;
  }

  Done wait() {
    io_uring_cqe* completion = nullptr;
    const int failure = io_uring_wait_cqe(&ring_, &completion);
    if (failure < 0) return {0, failure};
    const Done done{static_cast<unsigned>(io_uring_cqe_get_data64(completion)), completion->res};
    io_uring_cqe_seen(&ring_, completion);
    return done;
  }

 private:
  UringSubmit submit_;
  io_uring ring_{};
  int failure_ = 0;
};

class Aio {
 public:
  Aio() {
    if (syscall(SYS_io_setup, queue_depth, &context_) != 0) failure_ = errno;
  }
  Aio(const Aio&) = delete;
  Aio& operator=(const Aio&) = delete;
  ~Aio() {
    if (failure_ == 0) syscall(SYS_io_destroy, context_);
  }

  [[nodiscard]] int failure() const { return failure_; }

  bool start(unsigned slot, int fd, char* target, uint64_t size, uint64_t offset) {
    iocb& request = requests_[slot];
    request = {};
    request.aio_lio_opcode = IOCB_CMD_PREAD;
    request.aio_fildes = static_cast<uint32_t>(fd);
    request.aio_buf = reinterpret_cast<uint64_t>(target);
    request.aio_nbytes = size;
    request.aio_offset = static_cast<int64_t>(offset);
    request.aio_data = slot;
    iocb* list[] = {&request};
    return syscall(SYS_io_submit, context_, 1, list) == 1;
  }

  Done wait() {
    io_event event{};
    while (syscall(SYS_io_getevents, context_, 1, 1, &event, nullptr) != 1) {
      if (errno != EINTR) return {0, -errno};
    }
    return {static_cast<unsigned>(event.data), event.res};
  }

 private:
  aio_context_t context_ = 0;
  std::array<iocb, queue_depth> requests_{};
  int failure_ = 0;
};

template <class Engine>
bool read_whole(Engine& engine, int fd, char* memory, uint64_t bytes, uint64_t step) {
  if (engine.failure() != 0) {
    errno = engine.failure();
    return false;
  }
  // What each slot still waits for: first byte, one past the last. O_DIRECT wants whole blocks:
  // the last one may reach past the end.
  std::array<std::pair<uint64_t, uint64_t>, queue_depth> pending{};
  const auto start = [&](unsigned slot) {
    const auto [first, last] = pending[slot];
    return engine.start(slot, fd, memory + first, last - first, first);
  };
  uint64_t next = 0;
  unsigned in_flight = 0;
  for (; in_flight < queue_depth && next < bytes; ++in_flight, next += step) {
    pending[in_flight] = {next, next + step};
    if (!start(in_flight)) return false;
  }
  while (in_flight > 0) {
    const Done done = engine.wait();
    if (done.result <= 0) {
      errno = done.result < 0 ? static_cast<int>(-done.result) : ENODATA;
      return false;
    }
    auto& [first, last] = pending[done.slot];
    first += static_cast<uint64_t>(done.result);
    if (first >= std::min(last, bytes)) {
      if (next >= bytes) {
        --in_flight;
        continue;
      }
      first = next;
      last = next + step;
      next += step;
    }
    if (!start(done.slot)) return false;
  }
  return true;
}

}  // namespace

bool read_by_uring(int fd, char* memory, uint64_t bytes, uint64_t step, UringSubmit submit) {
  Uring engine(submit);
  return read_whole(engine, fd, memory, bytes, step);
}

bool read_by_aio(int fd, char* memory, uint64_t bytes, uint64_t step) {
  Aio engine;
  return read_whole(engine, fd, memory, bytes, step);
}

}  // namespace tuneshift
