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
  [[nodiscard]] bool is_known() const { return answers_ >= first_answers; }
  /// A request took so long. One that was cached tells nothing.
  void answered(uint64_t ns);
  /// Until the next request, in µs rounded up.
  [[nodiscard]] uint64_t wait_us(uint64_t now_ns) const {
    return now_ns >= next_ns_ ? 0 : (next_ns_ - now_ns) / 1000 + 1;
  }
  /// So much was asked for just now.
  void asked(uint64_t bytes, uint64_t now_ns);

 private:
  static constexpr uint64_t least_request_ns = 200'000;
  static constexpr unsigned first_answers = 3;
  static constexpr size_t judged_answers = 5;
  /// So much slower than alone is a queue.
  static constexpr double slower = 1.5;
  /// In flight in the mean. A burst of more would be felt also where the store has room.
  static constexpr double first_in_flight = 4;
  static constexpr double most_in_flight = 8;
  /// As many as a reader without help has (mm/readahead.c).
  static constexpr double least_in_flight = 2;

  uint64_t step_bytes_;
  uint64_t alone_ns_ = UINT64_MAX;  ///< the quickest answer
  double in_flight_ = first_in_flight;
  std::array<uint64_t, judged_answers> last_ns_{};
  unsigned answers_ = 0;
  uint64_t next_ns_ = 0;
};

inline void Pace::answered(uint64_t ns) {
  if (ns < least_request_ns) return;
  last_ns_.at(answers_++ % judged_answers) = ns;
  alone_ns_ = std::min(alone_ns_, ns);
  if (answers_ <= judged_answers) return;
  const auto quickest = static_cast<double>(*std::min_element(last_ns_.begin(), last_ns_.end()));
  const bool queues = quickest > slower * static_cast<double>(alone_ns_);
  in_flight_ = std::clamp(in_flight_ * (queues ? 0.8 : 1.25), least_in_flight, most_in_flight);
}

inline void Pace::asked(uint64_t bytes, uint64_t now_ns) {
  if (!is_known()) return;
  const auto ns =
      static_cast<uint64_t>(static_cast<double>(bytes) * static_cast<double>(alone_ns_) /
                            (in_flight_ * static_cast<double>(step_bytes_)));
  // One that was late is made up for, several are not: that would be a burst.
  next_ns_ = std::max(next_ns_, now_ns - std::min(now_ns, ns)) + ns;
}

}  // namespace tuneshift
