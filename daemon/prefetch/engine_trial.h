// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>

namespace tuneshift {

/// Finds out, for one file, whether to read it by WILLNEED or through a huge mapping
/// (huge_mapping.h): each reads some 64 MiB by itself, first WILLNEED. The huge mapping is taken
/// where it is no slower, but for a tenth, and takes no more CPU; its larger folios then cost the
/// reader less as well. Where folios stay small it takes more CPU, and a store that many requests
/// at once make quick is slower by it: that ends the trial early. A trial with what was cached
/// tells nothing, and a huge mapping that becomes slow is tried again: four trials at most.
class EngineTrial {
 public:
  /// What was read and spent since the worker began.
  struct Spent {
    uint64_t arrived_bytes = 0;
    uint64_t submitted_bytes = 0;  ///< read from the store, by the kernel's count
    uint64_t ns = 0;
    uint64_t cpu_ns = 0;
  };

  /// Whether look() has nothing more to learn.
  [[nodiscard]] bool is_over() const { return state_ == State::willneed; }
  /// Whether the next part is to be read through the huge mapping, once nothing is in flight.
  [[nodiscard]] bool wants_huge() const { return state_ == State::trying || state_ == State::huge; }
  /// Whether no more is to be asked for than ends on a huge page.
  [[nodiscard]] bool wants_end() const { return !is_over() && state_ != State::reading; }
  [[nodiscard]] bool is_huge() const { return state_ == State::huge; }

  /// `at_end`: all that was asked for has arrived, and ends on a huge page.
  void look(const Spent& now, bool at_end);
  /// The worker waited for its daemon, or may not read all for now: what was spent tells nothing.
  void paused() {
    if (!is_over()) state_ = state_ == State::huge ? State::resuming : State::waiting;
  }
  /// It cannot be read through a mapping.
  void give_up() { state_ = State::willneed; }

 private:
  enum class State {
    waiting,   ///< for the first bytes
    reading,   ///< by WILLNEED, until the store is known for a quick one
    ending,    ///< the same, until nothing is in flight
    trying,    ///< the huge mapping
    huge,      ///< it is better
    resuming,  ///< it was, before a pause
    willneed,  ///< for the rest of the file
  };

  [[nodiscard]] Spent since_begin(const Spent& now) const {
    return {now.arrived_bytes - begin_.arrived_bytes, now.submitted_bytes - begin_.submitted_bytes,
            now.ns - begin_.ns, now.cpu_ns - begin_.cpu_ns};
  }
  void begin(State state, const Spent& now) {
    begin_ = now;
    state_ = state;
  }
  /// Nothing was learned, or it holds no longer.
  void again() { state_ = ++trials_ == most_trials ? State::willneed : State::waiting; }
  /// What was cached tells nothing of the store.
  [[nodiscard]] static bool is_cold(const Spent& spent) {
    return spent.submitted_bytes >= spent.arrived_bytes / 4 * 3;
  }
  /// What WILLNEED would have taken for so many bytes.
  [[nodiscard]] double expected_ns(uint64_t bytes) const {
    return static_cast<double>(willneed_.ns) * static_cast<double>(bytes) /
           static_cast<double>(willneed_.arrived_bytes);
  }
  [[nodiscard]] bool takes_more_cpu(const Spent& huge) const;

  static constexpr unsigned most_trials = 4;
  static constexpr uint64_t quick_bytes = uint64_t{32} << 20;
  static constexpr uint64_t tried_bytes = uint64_t{64} << 20;
  /// By so much it may be.
  static constexpr double slower = 1.1;
  /// And by so much it may become: machines are noisy.
  static constexpr double much_slower = 2;
  /// A slower store is not worth losing its many requests for a while: both ways' CPU is little
  /// beside its time.
  static constexpr double quick_bytes_a_ns = 0.25;

  State state_ = State::waiting;
  unsigned trials_ = 0;
  Spent begin_;     ///< of what is being measured
  Spent willneed_;  ///< by it
};

inline bool EngineTrial::takes_more_cpu(const Spent& huge) const {
  return static_cast<double>(huge.cpu_ns) * static_cast<double>(willneed_.arrived_bytes) >
         static_cast<double>(willneed_.cpu_ns) * static_cast<double>(huge.arrived_bytes);
}

inline void EngineTrial::look(const Spent& now, bool at_end) {
  const Spent spent = since_begin(now);
  const auto ns = static_cast<double>(spent.ns);
  switch (state_) {
    case State::waiting:
    case State::resuming:
      if (at_end) begin(state_ == State::waiting ? State::reading : State::huge, now);
      return;
    case State::reading:
      if (spent.arrived_bytes < quick_bytes) return;
      state_ = static_cast<double>(spent.arrived_bytes) >= quick_bytes_a_ns * ns ? State::ending
                                                                                 : State::willneed;
      return;
    case State::ending:
      if (!at_end) return;
      if (!is_cold(spent)) return again();
      willneed_ = spent;
      return begin(State::trying, now);
    case State::trying:
      if (ns > slower * expected_ns(tried_bytes)) return give_up();
      if (spent.arrived_bytes < tried_bytes) return;
      if (!is_cold(spent)) return again();
      if (ns > slower * expected_ns(spent.arrived_bytes) || takes_more_cpu(spent)) return give_up();
      return begin(State::huge, now);
    case State::huge:
      if (spent.arrived_bytes < tried_bytes) return;
      begin(State::huge, now);
      if (ns > much_slower * expected_ns(spent.arrived_bytes)) again();
      return;
    case State::willneed:
      return;
  }
}

}  // namespace tuneshift
