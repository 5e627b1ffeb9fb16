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
    return answers_ >= quickest_ns_.size() || quick_answers_ >= most_quick_answers;
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
  /// The third quickest: one that was cached for the most part is no measure.
  [[nodiscard]] uint64_t alone_ns() const {
    return quickest_ns_.back() == UINT64_MAX ? least_request_ns : quickest_ns_.back();
  }

  static constexpr uint64_t least_request_ns = 200'000;
  /// A store this quick, or one that has it all in a cache: no more are timed one by one.
  static constexpr unsigned most_quick_answers = 16;
  static constexpr size_t judged_answers = 5;
  /// So much slower than alone is a queue.
  static constexpr double slower = 1.5;
  /// In flight in the mean. A burst of more would be felt also where the store has room.
  static constexpr double first_in_flight = 4;
  static constexpr double most_in_flight = 8;
  /// As many as a reader without help has (mm/readahead.c).
  static constexpr double least_in_flight = 2;

  uint64_t step_bytes_;
  std::array<uint64_t, 3> quickest_ns_{UINT64_MAX, UINT64_MAX, UINT64_MAX};  ///< sorted
  double in_flight_ = first_in_flight;
  std::array<uint64_t, judged_answers> last_ns_{};
  unsigned answers_ = 0;
  unsigned quick_answers_ = 0;
  uint64_t next_ns_ = 0;
};

inline void Pace::answered(uint64_t ns) {
  if (ns < least_request_ns) {
    quick_answers_ = std::min(quick_answers_ + 1, most_quick_answers);
    return;
  }
  last_ns_.at(answers_++ % judged_answers) = ns;
  if (ns < quickest_ns_.back()) {
    quickest_ns_.back() = ns;
    std::sort(quickest_ns_.begin(), quickest_ns_.end());
  }
  if (answers_ <= judged_answers) return;
  const auto quickest = static_cast<double>(*std::min_element(last_ns_.begin(), last_ns_.end()));
  const bool queues = quickest > slower * static_cast<double>(alone_ns());
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
