// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace tuneshift {

/// Spaces a worker's requests where others read from its store: what they wait longer is what the
/// worker has in the store's queue before them. So one request at a time, evenly, and so many a
/// second as leave one of its own, timed now and then, about as quick as it is alone: delay tells
/// of a queue, and the least of some delays tells it from a busy machine (as LEDBAT, RFC 6817).
class Pace {
 public:
  /// Requests between two that are timed.
  static constexpr unsigned timed_each = 32;

  explicit Pace(uint64_t step_bytes) : step_bytes_(step_bytes) {}

  /// Whether it is known how quick one alone is. Until then each is to be timed, one after the
  /// other.
  [[nodiscard]] bool is_known() const {
    return answers_ >= first_answers || quick_answers_ >= most_quick_answers;
  }
  /// A request took so long. One that was cached tells nothing.
  void answered(uint64_t ns);
  /// Until the next request, in µs rounded up.
  [[nodiscard]] uint64_t wait_us(uint64_t now_ns) const {
    return now_ns >= next_ns_ ? 0 : (next_ns_ - now_ns) / 1000 + 1;
  }
  /// So much was asked for just now.
  void asked(uint64_t bytes, uint64_t now_ns);

 private:
  /// The third quickest of the last ones: one that was cached for the most part is no measure.
  [[nodiscard]] uint64_t alone_ns() const;

  static constexpr uint64_t least_request_ns = 200'000;
  /// A store this quick, or one that has it all in a cache: no more are timed one by one.
  static constexpr unsigned most_quick_answers = 16;
  static constexpr unsigned first_answers = 3;
  static constexpr unsigned judged_answers = 5;
  static constexpr unsigned known_answers = 32;
  /// So much slower than alone is a queue.
  static constexpr double slower = 1.5;
  /// In flight in the mean. A burst of more would be felt also where the store has room.
  static constexpr double first_in_flight = 4;
  static constexpr double most_in_flight = 8;
  /// As many as a reader without help has (mm/readahead.c).
  static constexpr double least_in_flight = 2;

  uint64_t step_bytes_;
  double in_flight_ = first_in_flight;
  std::array<uint64_t, known_answers> last_ns_{};
  unsigned answers_ = 0;
  unsigned quick_answers_ = 0;
  uint64_t next_ns_ = 0;
};

inline uint64_t Pace::alone_ns() const {
  auto sorted = last_ns_;
  auto* const end = sorted.begin() + std::min(answers_, known_answers);
  std::sort(sorted.begin(), end);
  return end - sorted.begin() < first_answers ? least_request_ns : sorted.at(first_answers - 1);
}

inline void Pace::answered(uint64_t ns) {
  if (ns < least_request_ns) {
    quick_answers_ = std::min(quick_answers_ + 1, most_quick_answers);
    return;
  }
  last_ns_.at(answers_++ % known_answers) = ns;
  if (answers_ <= judged_answers) return;
  uint64_t quickest = UINT64_MAX;
  for (unsigned back = 1; back <= judged_answers; ++back) {
    quickest = std::min(quickest, last_ns_.at((answers_ - back) % known_answers));
  }
  const bool queues = static_cast<double>(quickest) > slower * static_cast<double>(alone_ns());
  in_flight_ = std::clamp(in_flight_ * (queues ? 0.8 : 1.25), least_in_flight, most_in_flight);
}

inline void Pace::asked(uint64_t bytes, uint64_t now_ns) {
  if (!is_known()) return;
  const auto ns =
      static_cast<uint64_t>(static_cast<double>(bytes) * static_cast<double>(alone_ns()) /
                            (in_flight_ * static_cast<double>(step_bytes_)));
  // One that was late is made up for, several are not: that would be a burst.
  next_ns_ = std::max(next_ns_, now_ns - std::min(now_ns, ns)) + ns;
}

}  // namespace tuneshift
