// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/prefetch/mapping_engine.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <utility>
#include <vector>

#include "daemon/helper/clock.h"
#include "daemon/helper/mapped_ranges.h"
#include "daemon/prefetch/pace.h"
#include "daemon/prefetch/worth.h"

namespace tuneshift {

namespace {

void* theirs(uint64_t address) {
  return reinterpret_cast<void*>(address);  // NOLINT(performance-no-int-to-ptr): not ours to follow
}

// A look for what has arrived maps a few pages into the reader, whose resident memory tells how far
// it has come: 64 KiB of each piece are little beside it.
constexpr uint64_t piece_bytes = uint64_t{4} << 20;
constexpr size_t pieces_in_flight = 8;
// The reader may have unmapped the file and put another one there.
constexpr uint64_t look_again_bytes = uint64_t{16} << 20;
// A step is several requests where pages in it are cached already: few between two looks.
constexpr size_t max_steps_a_call = 8;
// Between two looks at a FUSE connection that is full, and at one that has been for a while.
constexpr uint64_t full_wait_us = 500;
constexpr uint64_t stuck_wait_us = 20000;
constexpr unsigned stuck_looks = 64;
constexpr uint64_t least_request_ns = 200'000;
// And one that took so long was not: no other need be timed.
constexpr uint64_t clear_request_ns = 1'000'000;
// Of any size that MADV_WILLNEED takes.
constexpr uint64_t page_bytes = uint64_t{64} << 10;

Error reader_gone() {
  return {ErrorCode::not_found, "the reader has ended", {}, 0};
}

// It has become shorter, or its store does not give it.
Error unreadable() {
  return {ErrorCode::io, "what was asked for cannot be read", {}, 0};
}

class Engine {
 public:
  Engine(const MappedFile& file, DaemonLink& link)
      : file_(file), link_(link), worth_(file.unit_bytes), pace_(file.step_bytes) {}

  Status run() {
    link_.set_engine(file_.fuse != nullptr ? "madvise, paced" : "madvise");
    look();
    if (worth_.wants_unit()) time_units();
    for (const auto& [first, last] :
         {std::pair(file_.start_bytes, file_.size), std::pair(uint64_t{0}, file_.start_bytes)}) {
      auto asked = ask(first, last);
      if (!asked) return asked.error();
      if (!asked.value()) return {};
    }
    if (Status status = settle(0); !status.ok()) return status;
    link_.report(arrived_bytes_);
    if (!ranges_.empty()) return {};
    return Error{ErrorCode::not_found, "the reader has ended, or maps nothing of the file", {}, 0};
  }

 private:
  // A part of the file. False when the daemon has let go.
  Result<bool> ask(uint64_t first, uint64_t last) {
    at_ = seen_at_ = first;
    end_ = last;
    while (next_mapped()) {
      if (asked_bytes_ >= budget()) {
        if (Status status = settle(0); !status.ok()) return status.error();
        worth_.paused();
        link_.report_now(arrived_bytes_);
        if (!link_.listen(std::nullopt)) return false;
        continue;
      }
      const uint64_t before = asked_bytes_;
      auto asked = ask_piece();
      if (!asked) return asked.error();
      if (!asked.value()) return false;
      const size_t left = link_.is_paced() ? 0 : pieces_in_flight;
      if (Status status = settle(left); !status.ok()) return status.error();
      if (link_.is_paced()) {
        if (asked_bytes_ > before) pace_.answered(monotonic_now_ns() - asked_ns_);
        worth_.paused();
      }
      if (!worth_.goes_on(arrived_bytes_, monotonic_now_ns())) {
        link_.report_now(arrived_bytes_);
        return Error{ErrorCode::unsupported, not_worth_it, {}, 0};
      }
      link_.report(arrived_bytes_);
    }
    asked_bytes_ = (asked_bytes_ + page_bytes - 1) / page_bytes * page_bytes;
    return true;
  }

  struct Piece {
    uint64_t bytes = 0;
    uint64_t last_address = 0;
  };

  // A part of the file that ends within a page leaves the next one's budgets within pages, which
  // madvise(2) refuses: behind the first part whole ones are counted. All of the file is no bound.
  [[nodiscard]] uint64_t budget() const {
    const uint64_t budget_bytes = link_.budget_bytes();
    return budget_bytes >= file_.size ? UINT64_MAX : budget_bytes;
  }

  void look() {
    ranges_ = read_mapped_ranges(file_.maps_fd, file_.shown);
    seen_at_ = at_;
  }

  // Moves on to the next byte that is mapped; null at the end.
  const MappedRange* next_mapped() {
    if (at_ - seen_at_ >= look_again_bytes) look();
    for (const MappedRange& range : ranges_) {
      if (range.offset + range.length <= at_) continue;
      at_ = std::max(at_, range.offset);
      return at_ < end_ ? &range : nullptr;
    }
    return nullptr;
  }

  // Far from where most readers begin: what is cached tells nothing, and nobody says what is.
  void time_units() {
    uint64_t longest_ns = 0;
    for (const uint64_t eighths : {5, 6, 7}) {
      const uint64_t offset = file_.size / 8 * eighths / page_bytes * page_bytes;
      const auto range = std::find_if(ranges_.begin(), ranges_.end(), [&](const auto& one) {
        return offset >= one.offset && offset - one.offset + worth_.unit_bytes() < one.length;
      });
      if (range == ranges_.end()) continue;
      const uint64_t address = range->address + (offset - range->offset);
      const iovec unit{theirs(address), worth_.unit_bytes()};
      const uint64_t began_ns = monotonic_now_ns();
      syscall(SYS_process_madvise, file_.pidfd, &unit, 1, MADV_WILLNEED, 0);
      char byte = 0;
      const iovec here{&byte, 1};
      const iovec there{theirs(address + worth_.unit_bytes() - 1), 1};
      if (process_vm_readv(file_.pid, &here, 1, &there, 1, 0) != 1) return;
      longest_ns = std::max(longest_ns, monotonic_now_ns() - began_ns);
      if (longest_ns >= clear_request_ns) break;
    }
    // Faster than that all of them may have been cached.
    if (longest_ns >= least_request_ns) worth_.timed(longest_ns);
  }

  // False when the daemon has let go.
  Result<bool> ask_piece() {
    Piece piece;
    const bool alone = link_.is_paced() && !pace_.is_known();
    const uint64_t whole = (at_ / piece_bytes + 1) * piece_bytes;
    const uint64_t end = alone ? std::min(at_ + file_.step_bytes, whole) : whole;
    while (next_mapped() != nullptr && at_ < end) {
      // One request in some hundred µs is far from filling it: once for each piece.
      const bool known = link_.is_paced() && piece.bytes > 0;
      auto room = known ? Result<uint64_t>(1) : room_now();
      if (!room) return room.error();
      full_looks_ = room.value() == 0 ? full_looks_ + 1 : 0;
      if (!link_.listen(wait_us())) return false;
      if (asked_bytes_ >= budget()) break;
      const bool early = link_.is_paced() && pace_.wait_us(monotonic_now_ns()) > 0;
      if (room.value() == 0 || early) continue;
      const uint64_t steps = link_.is_paced() ? 1 : room.value();
      if (Status status = advise(steps, end, piece); !status.ok()) return status.error();
    }
    if (piece.bytes > 0) pieces_.push_back(piece);
    return true;
  }

  [[nodiscard]] Result<uint64_t> room_now() const {
    return file_.fuse != nullptr ? file_.fuse->room() : Result<uint64_t>(max_steps_a_call);
  }

  [[nodiscard]] uint64_t wait_us() const {
    if (full_looks_ == 0) return link_.is_paced() ? pace_.wait_us(monotonic_now_ns()) : 0;
    return full_looks_ < stuck_looks ? full_wait_us : stuck_wait_us;
  }

  // At most so many steps, of one mapping.
  Status advise(uint64_t most_steps, uint64_t end, Piece& piece) {
    const MappedRange* const mapped = next_mapped();
    if (mapped == nullptr) return {};
    const MappedRange range = *mapped;
    const uint64_t left = std::min(budget() - asked_bytes_, end_ - at_);
    const uint64_t limit = std::min({range.offset + range.length, end, at_ + left});
    steps_.clear();
    for (uint64_t from = at_;
         from < limit && steps_.size() < std::min(most_steps, max_steps_a_call);
         from += file_.step_bytes) {
      steps_.push_back({theirs(range.address + (from - range.offset)),
                        std::min(file_.step_bytes, limit - from)});
    }
    asked_ns_ = monotonic_now_ns();
    const ssize_t done =
        syscall(SYS_process_madvise, file_.pidfd, steps_.data(), steps_.size(), MADV_WILLNEED, 0);
    if (done <= 0) return after_failure(errno);
    failed_at_.reset();
    const auto advised = static_cast<uint64_t>(done);
    piece.bytes += advised;
    piece.last_address = range.address + (at_ - range.offset) + advised - 1;
    at_ += advised;
    asked_bytes_ += advised;
    if (link_.is_paced()) pace_.asked(advised, asked_ns_);
    return {};
  }

  // The reader may have unmapped what was there a moment ago: once more with fresh eyes.
  Status after_failure(int error) {
    if (error == ESRCH) return reader_gone();
    if (error == EINTR || error == EAGAIN) return {};
    if (error != ENOMEM || failed_at_ == at_) return errno_error(error, "process_madvise");
    failed_at_ = at_;
    look();
    return {};
  }

  // Waits for all but the last `left` pieces.
  Status settle(size_t left) {
    for (; pieces_.size() > left; pieces_.pop_front()) {
      const Piece& piece = pieces_.front();
      char byte = 0;
      const iovec here{&byte, 1};
      const iovec there{theirs(piece.last_address), 1};
      // By number: of one that is another process's by now nobody looks at the byte.
      if (process_vm_readv(file_.pid, &here, 1, &there, 1, 0) != 1) {
        if (errno == ESRCH) return reader_gone();
        // Nobody misses what is unmapped by now.
        look();
        if (is_mapped(piece.last_address)) return unreadable();
      }
      arrived_bytes_ += piece.bytes;
    }
    return {};
  }

  [[nodiscard]] bool is_mapped(uint64_t address) const {
    return std::any_of(ranges_.begin(), ranges_.end(), [&](const MappedRange& range) {
      return address >= range.address && address - range.address < range.length;
    });
  }

  const MappedFile& file_;
  DaemonLink& link_;
  Worth worth_;
  Pace pace_;
  std::vector<MappedRange> ranges_;
  std::vector<iovec> steps_;
  std::deque<Piece> pieces_;
  std::optional<uint64_t> failed_at_;
  unsigned full_looks_ = 0;
  uint64_t at_ = 0;
  uint64_t end_ = 0;  // of the part of the file
  uint64_t seen_at_ = 0;
  uint64_t asked_ns_ = 0;  // when it last asked for anything
  uint64_t asked_bytes_ = 0;
  uint64_t arrived_bytes_ = 0;
};

}  // namespace

Status advise_ahead(const MappedFile& file, DaemonLink& link) {
  return Engine(file, link).run();
}

}  // namespace tuneshift
