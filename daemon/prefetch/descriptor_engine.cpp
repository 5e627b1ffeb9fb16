// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/prefetch/descriptor_engine.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "daemon/helper/clock.h"
#include "daemon/prefetch/engine_trial.h"
#include "daemon/prefetch/huge_mapping.h"
#include "daemon/prefetch/pace.h"
#include "daemon/prefetch/worth.h"

namespace tuneshift {

namespace {

// Enough for a store with 10 ms a request to give 3 GB/s, little beside the memory of a machine
// that loads models.
constexpr uint64_t in_flight_bytes = uint64_t{32} << 20;
// One WILLNEED reads less than it is asked where the store's read-ahead is smaller than was said:
// then it is asked in pieces of this size.
constexpr uint64_t piece_bytes = uint64_t{128} << 10;

// The huge mapping reads so much before it looks at the daemon: 16 ms from a store of 1 GB/s.
constexpr uint64_t huge_part_bytes = uint64_t{16} << 20;

// One after the other they are slow; some file systems never tell what they read.
constexpr unsigned most_cached_units = 1024;

rusage own_usage() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage;
}

uint64_t bytes_submitted(const rusage& usage) {
  return static_cast<uint64_t>(usage.ru_inblock) * 512;
}

// What this process has made the kernel read so far.
uint64_t bytes_submitted() {
  return bytes_submitted(own_usage());
}

uint64_t to_ns(const timeval& time) {
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 +
         static_cast<uint64_t>(time.tv_usec) * 1000;
}

// A table of the page tables is a page of entries of 8 bytes. Where one maps more than 2 MiB (pages
// of 16 or 64 KiB) the kernel would read that much at once, whatever was allowed.
bool has_huge_pages() {
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return page * (page / 8) == huge_page_bytes;
}

uint64_t end_of_huge_page(uint64_t at) {
  return (at + huge_page_bytes - 1) / huge_page_bytes * huge_page_bytes;
}

class Engine {
 public:
  Engine(int fd, const PrefetchOrder& order, DaemonLink& link)
      : fd_(fd),
        step_bytes_(order.step_bytes),
        piece_bytes_(std::min(order.step_bytes, piece_bytes)),
        worth_(order.unit_bytes),
        pace_(piece_bytes_),
        link_(link) {}

  void begin() {
    link_.set_engine("fadvise");
    // No window of this descriptor's own: what is read is what was allowed.
    posix_fadvise(fd_, 0, 0, POSIX_FADV_RANDOM);
    submitted_at_begin_ = bytes_submitted();
    if (!has_huge_pages()) trial_.give_up();
  }

  // A part of the file, behind those that were read before. False when the daemon has let go.
  Result<bool> read(uint64_t first, uint64_t last) {
    first_ = asked_ = arrived_ = first;
    last_ = last;
    while (arrived_ < last_) {
      if (worth_.wants_unit() && asked_ == arrived_) {
        if (Status status = time_unit(); !status.ok()) return status.error();
      } else if (!link_.is_paced() && read_huge_part()) {
        link_.report(fetched());
        if (!link_.listen(0)) return false;
        continue;
      } else if (link_.is_paced()) {
        if (!link_.listen(pace_.wait_us(monotonic_now_ns()))) return false;
        const auto asked = ask_in_time();
        if (!asked) return asked.error();
        if (asked.value()) {
          pause();
          link_.report(fetched());
          continue;
        }
      } else {
        ask();
      }
      if (arrived_ == asked_) {
        pause();
        link_.report_now(fetched());
        if (!link_.listen(std::nullopt)) return false;
        continue;
      }
      const uint64_t next = std::min({arrived_ + piece_bytes_, asked_, last_});
      if (Status status = wait_for(next); !status.ok()) return status.error();
      arrived_ = next;
      if (!worth_.goes_on(fetched(), monotonic_now_ns())) {
        link_.report_now(fetched());
        return Error{ErrorCode::unsupported, not_worth_it, {}, 0};
      }
      link_.report(fetched());
      if (!link_.listen(0)) return false;
    }
    before_ += last_ - first_;
    return true;
  }

 private:
  void pause() {
    worth_.paused();
    trial_.paused();
  }

  // The next part, where that is to be read through the huge mapping: true when it has arrived.
  bool read_huge_part() {
    if (trial_.is_over()) return false;
    // It reads some MiB beyond what it is told, which is not allowed where the budget ends.
    if (!may_read_all()) {
      trial_.paused();
      return false;
    }
    const bool at_end = asked_ == arrived_ && arrived_ % huge_page_bytes == 0;
    const rusage usage = own_usage();
    trial_.look({fetched(), bytes_submitted(usage), monotonic_now_ns(),
                 to_ns(usage.ru_utime) + to_ns(usage.ru_stime)},
                at_end);
    link_.set_engine(trial_.is_huge() ? "huge mapping" : "fadvise");
    if (!trial_.wants_huge() || !at_end) return false;
    const uint64_t next = std::min(arrived_ + huge_part_bytes, last_);
    if (!read_by_huge_mapping(fd_, arrived_, next).ok()) {
      // WILLNEED will tell what the trouble is, if it has any.
      trial_.give_up();
      return false;
    }
    asked_ = arrived_ = next;
    return true;
  }

  [[nodiscard]] uint64_t fetched() const { return before_ + (arrived_ - first_); }

  // How far into the file it may go.
  [[nodiscard]] uint64_t limit() const {
    const uint64_t budget = std::max(link_.budget_bytes(), before_) - before_;
    return first_ + std::min(budget, last_ - first_);
  }

  [[nodiscard]] bool may_read_all() const { return limit() == last_; }

  // One that was cached tells nothing.
  Status time_unit() {
    const uint64_t next = std::min(asked_ + worth_.unit_bytes(), limit());
    if (next <= asked_) return {};
    const uint64_t submitted = bytes_submitted();
    const uint64_t began_ns = monotonic_now_ns();
    will_need(asked_, next);
    const bool whole = bytes_submitted() - submitted >= next - asked_;
    asked_ = next;
    if (!whole) {
      if (++cached_units_ == most_cached_units) worth_.give_up();
      return {};
    }
    Status status = wait_for(next);
    worth_.timed(monotonic_now_ns() - began_ns);
    return status;
  }

  // One piece if it is time; waits for it and all before it now and then. False: there is none.
  Result<bool> ask_in_time() {
    if (asked_ >= limit()) return false;
    const uint64_t now_ns = monotonic_now_ns();
    if (pace_.wait_us(now_ns) > 0) return true;
    const uint64_t next = std::min(asked_ + piece_bytes_, limit());
    const uint64_t submitted = bytes_submitted();
    will_need(asked_, next);
    // Some file systems never tell what they read.
    const bool cached = bytes_submitted() == submitted && submitted > submitted_at_begin_;
    pace_.asked(next - asked_, now_ns);
    asked_ = next;
    if (pace_.is_known() && asked_ - arrived_ < Pace::timed_each * piece_bytes_) return true;
    if (Status status = wait_for(next); !status.ok()) return status.error();
    pace_.answered(cached ? 0 : monotonic_now_ns() - now_ns);
    arrived_ = next;
    return true;
  }

  void ask() {
    const uint64_t end =
        trial_.wants_end() && may_read_all() ? std::min(last_, end_of_huge_page(asked_)) : limit();
    while (asked_ < end && asked_ - arrived_ < std::max(in_flight_bytes, step_bytes_)) {
      const uint64_t next = std::min(asked_ + step_bytes_, end);
      ask_for(asked_, next);
      asked_ = next;
    }
  }

  void ask_for(uint64_t first, uint64_t last) const {
    const uint64_t before = bytes_submitted();
    will_need(first, last);
    if (bytes_submitted() - before >= last - first) return;
    // Some of it was cached, or the step was cut.
    for (; first < last; first += piece_bytes_)
      will_need(first, std::min(first + piece_bytes_, last));
  }

  void will_need(uint64_t first, uint64_t last) const {
    posix_fadvise(fd_, static_cast<off_t>(first), static_cast<off_t>(last - first),
                  POSIX_FADV_WILLNEED);
  }

  // Waits for the last byte of a piece; reads it when the kernel has dropped it meanwhile.
  [[nodiscard]] Status wait_for(uint64_t end) const {
    char byte = 0;
    ssize_t got = 0;
    do {
      got = pread(fd_, &byte, 1, static_cast<off_t>(end - 1));
    } while (got < 0 && errno == EINTR);
    if (got < 0) return errno_error(errno, "read ahead");
    if (got == 0) return Error{ErrorCode::io, "the file has become shorter", {}, 0};
    return {};
  }

  const int fd_;
  const uint64_t step_bytes_;
  const uint64_t piece_bytes_;
  Worth worth_;
  EngineTrial trial_;
  Pace pace_;
  DaemonLink& link_;
  unsigned cached_units_ = 0;
  uint64_t submitted_at_begin_ = 0;
  uint64_t before_ = 0;  // bytes of earlier parts
  uint64_t first_ = 0;   // of this part
  uint64_t last_ = 0;
  uint64_t asked_ = 0;
  uint64_t arrived_ = 0;
};

}  // namespace

Status read_ahead(int fd, const PrefetchOrder& order, DaemonLink& link) {
  Engine engine(fd, order, link);
  engine.begin();
  const auto read = engine.read(order.start_bytes, order.file_size);
  if (!read) return read.error();
  if (!read.value()) return {};
  const auto rest = engine.read(0, order.start_bytes);
  return rest ? Status() : rest.error();
}

}  // namespace tuneshift
