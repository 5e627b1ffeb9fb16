// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/bench/read_speed.h"

#include <liburing.h>
#include <sys/mman.h>

#include <algorithm>
#include <random>
#include <vector>

namespace tuneshift {

namespace {

using Clock = std::chrono::steady_clock;

// 8 MiB: their 99th percentile is that of all within some thousandths.
constexpr size_t kMostSamples = 1 << 20;

class Ring {
 public:
  Ring() = default;
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  ~Ring() {
    if (is_open_) io_uring_queue_exit(&ring_);
  }

  Status open(unsigned depth) {
    const int failure = io_uring_queue_init(depth, &ring_, 0);
    is_open_ = failure == 0;
    return is_open_ ? Status() : errno_error(-failure, "setting up io_uring");
  }

  io_uring* get() { return &ring_; }

 private:
  io_uring ring_{};
  bool is_open_ = false;
};

/// Page-aligned, as direct reads want it. Huge pages would only help the larger blocks.
class Buffers {
 public:
  explicit Buffers(size_t bytes)
      : bytes_(bytes),
        memory_(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {}
  Buffers(const Buffers&) = delete;
  Buffers& operator=(const Buffers&) = delete;
  ~Buffers() {
    if (memory_ != MAP_FAILED) munmap(memory_, bytes_);
  }

  [[nodiscard]] bool ok() const { return memory_ != MAP_FAILED; }
  [[nodiscard]] char* at(size_t offset) const { return static_cast<char*>(memory_) + offset; }

 private:
  size_t bytes_;
  void* memory_;
};

uint64_t ns_between(Clock::time_point from, Clock::time_point to) {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(to - from).count());
}

class Measurement {
 public:
  Measurement(int fd, uint64_t size_bytes, const ReadPattern& pattern)
      : fd_(fd),
        pattern_(pattern),
        blocks_(size_bytes / pattern.block_bytes),
        buffers_(pattern.depth * pattern.block_bytes),
        submitted_(pattern.depth) {}

  Result<ReadSpeed> run(std::chrono::nanoseconds duration) {
    if (blocks_ == 0) return Error{ErrorCode::invalid_argument, "smaller than one block", {}, 0};
    if (!buffers_.ok()) return errno_error(errno, "allocating buffers");
    if (auto opened = ring_.open(pattern_.depth); !opened) return opened.error();
    const auto start = Clock::now();
    for (unsigned slot = 0; slot < pattern_.depth; ++slot) submit(slot);
    unsigned in_flight = pattern_.depth;
    auto now = start;
    while (in_flight > 0) {
      const int status = io_uring_submit_and_wait(ring_.get(), 1);
      if (status < 0 && status != -EINTR) return errno_error(-status, "io_uring_enter");
      now = Clock::now();
      const bool goes_on = now - start < duration;
      if (auto taken = take_answers(now, goes_on, in_flight); !taken) return taken.error();
    }
    return speed(ns_between(start, now));
  }

 private:
  void submit(unsigned slot) {
    const uint64_t block = pattern_.random ? random_() % blocks_ : next_++ % blocks_;
    io_uring_sqe* entry = io_uring_get_sqe(ring_.get());  // as many entries as slots
    io_uring_prep_read(entry, fd_, buffers_.at(slot * pattern_.block_bytes),
                       static_cast<unsigned>(pattern_.block_bytes), block * pattern_.block_bytes);
    io_uring_sqe_set_data64(entry, slot);
    submitted_[slot] = Clock::now();
  }

  Status take_answers(Clock::time_point now, bool goes_on, unsigned& in_flight) {
    io_uring_cqe* answer = nullptr;
    while (io_uring_peek_cqe(ring_.get(), &answer) == 0) {
      const auto slot = static_cast<unsigned>(io_uring_cqe_get_data64(answer));
      const int bytes = answer->res;
      io_uring_cqe_seen(ring_.get(), answer);
      if (bytes < 0) return errno_error(-bytes, "reading");
      if (static_cast<uint64_t>(bytes) != pattern_.block_bytes) {
        return Error{ErrorCode::io, "a read came back short: did the file shrink?", {}, 0};
      }
      sample(ns_between(submitted_[slot], now));
      if (goes_on) {
        submit(slot);
      } else {
        --in_flight;
      }
    }
    return {};
  }

  /// Keeps any of all requests with the same chance (Vitter's algorithm R).
  void sample(uint64_t latency_ns) {
    ++requests_;
    if (latencies_.size() < kMostSamples) {
      latencies_.push_back(latency_ns);
    } else if (const uint64_t place = random_() % requests_; place < kMostSamples) {
      latencies_[place] = latency_ns;
    }
  }

  uint64_t percentile(double share) {
    const auto at = static_cast<std::ptrdiff_t>(share * static_cast<double>(latencies_.size() - 1));
    std::nth_element(latencies_.begin(), latencies_.begin() + at, latencies_.end());
    return latencies_[static_cast<size_t>(at)];
  }

  ReadSpeed speed(uint64_t took_ns) {
    ReadSpeed speed;
    speed.requests = requests_;
    speed.bytes = speed.requests * pattern_.block_bytes;
    speed.took_ns = took_ns;
    speed.p50_ns = percentile(0.5);
    speed.p99_ns = percentile(0.99);
    return speed;
  }

  int fd_;
  ReadPattern pattern_;
  uint64_t blocks_;
  uint64_t next_ = 0;
  uint64_t requests_ = 0;
  std::mt19937_64 random_{1};
  Buffers buffers_;
  // After the buffers: the ring's end waits for what still writes into them.
  Ring ring_;
  std::vector<Clock::time_point> submitted_;
  std::vector<uint64_t> latencies_;
};

}  // namespace

uint64_t ReadSpeed::bytes_a_second() const {
  if (took_ns == 0) return 0;
  return static_cast<uint64_t>(static_cast<double>(bytes) * 1e9 / static_cast<double>(took_ns));
}

Result<ReadSpeed> measure_reads(int fd, uint64_t size_bytes, const ReadPattern& pattern,
                                std::chrono::nanoseconds duration) {
  return Measurement(fd, size_bytes, pattern).run(duration);
}

}  // namespace tuneshift
