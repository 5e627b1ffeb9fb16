// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>

namespace tuneshift {

/// Finds out, for one file, whether to read it by WILLNEED or through a huge mapping
/// (huge_mapping.h): each reads some 64 MiB by itself, first WILLNEED. The huge mapping is taken
/// where it is no slower, but for a tenth, and takes no more CPU; its larger folios then cost the
/// reader less as well. Where folios stay small it takes more CPU, and a store that many requests
/// at once make quick is slower by it: that ends the trial early.
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
  [[nodiscard]] bool is_over() const { return state_ == State::willneed || state_ == State::huge; }
  /// Whether the next part is to be read through the huge mapping, once nothing is in flight.
  [[nodiscard]] bool wants_huge() const { return state_ == State::trying || state_ == State::huge; }
  /// Whether no more is to be asked for than ends on a huge page.
  [[nodiscard]] bool wants_end() const { return state_ == State::ending || wants_huge(); }
  [[nodiscard]] bool is_huge() const { return state_ == State::huge; }

  /// `at_end`: all that was asked for has arrived, and ends on a huge page.
  void look(const Spent& now, bool at_end);
  /// The worker waited for its daemon: what was spent until now tells nothing.
  void paused() {
    if (!is_over()) state_ = State::waiting;
  }
  /// It cannot be read through a mapping.
  void give_up() { state_ = State::willneed; }

 private:
  enum class State {
    waiting,  ///< for the first bytes
    reading,  ///< by WILLNEED, until the store is known for a quick one
    ending,   ///< the same, until nothing is in flight
    trying,   ///< the huge mapping
    willneed,
    huge,
  };

  [[nodiscard]] Spent since_begin(const Spent& now) const {
    return {now.arrived_bytes - begin_.arrived_bytes, now.submitted_bytes - begin_.submitted_bytes,
            now.ns - begin_.ns, now.cpu_ns - begin_.cpu_ns};
  }
  /// What was cached tells nothing of the store.
  [[nodiscard]] static bool is_cold(const Spent& spent) {
    return spent.submitted_bytes >= spent.arrived_bytes / 4 * 3;
  }
  [[nodiscard]] bool is_better(const Spent& huge) const;
  /// Whether it took longer by now than all of what is tried may.
  [[nodiscard]] bool is_late(const Spent& huge) const;

  static constexpr uint64_t quick_bytes = uint64_t{32} << 20;
  static constexpr uint64_t tried_bytes = uint64_t{64} << 20;
  /// By so much it may be.
  static constexpr double slower = 1.1;
  /// A slower store is not worth losing its many requests for a while: both ways' CPU is little
  /// beside its time.
  static constexpr double quick_bytes_a_ns = 0.25;

  State state_ = State::waiting;
  Spent begin_;     ///< of what is being measured
  Spent willneed_;  ///< by it
};

inline bool EngineTrial::is_better(const Spent& huge) const {
  const auto scale =
      static_cast<double>(huge.arrived_bytes) / static_cast<double>(willneed_.arrived_bytes);
  return static_cast<double>(huge.ns) <= slower * scale * static_cast<double>(willneed_.ns) &&
         static_cast<double>(huge.cpu_ns) <= scale * static_cast<double>(willneed_.cpu_ns);
}

inline bool EngineTrial::is_late(const Spent& huge) const {
  const auto scale =
      static_cast<double>(tried_bytes) / static_cast<double>(willneed_.arrived_bytes);
  return static_cast<double>(huge.ns) > slower * scale * static_cast<double>(willneed_.ns);
}

inline void EngineTrial::look(const Spent& now, bool at_end) {
  const Spent spent = since_begin(now);
  switch (state_) {
    case State::waiting:
      if (!at_end) return;
      begin_ = now;
      state_ = State::reading;
      return;
    case State::reading:
      if (spent.arrived_bytes < quick_bytes) return;
      state_ = static_cast<double>(spent.arrived_bytes) >=
                       quick_bytes_a_ns * static_cast<double>(spent.ns)
                   ? State::ending
                   : State::willneed;
      return;
    case State::ending:
      if (!at_end) return;
      willneed_ = spent;
      begin_ = now;
      state_ = is_cold(spent) ? State::trying : State::willneed;
      return;
    case State::trying:
      if (spent.arrived_bytes < tried_bytes && !is_late(spent)) return;
      state_ = is_cold(spent) && is_better(spent) ? State::huge : State::willneed;
      return;
    case State::willneed:
    case State::huge:
      return;
  }
}

}  // namespace tuneshift
