// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>

namespace tuneshift {

/// Tells whether a store gives more to many requests at once than to a reader that waits for each:
/// where it does not, reading ahead costs CPU and brings nothing.
///
/// One unit alone is timed first: what a reader without help has is at most twice that, as the
/// kernel asks for the next window before the one at hand is used up (mm/readahead.c). Then the
/// first 32 MiB with many requests in flight: worth it is a quarter more.
class Worth {
 public:
  /// 0: whatever it brings, it is worth it.
  explicit Worth(uint64_t unit_bytes) : unit_bytes_(unit_bytes), alone_ns_(unit_bytes == 0) {}

  [[nodiscard]] uint64_t unit_bytes() const { return unit_bytes_; }
  /// Whether one unit is still to be timed alone.
  [[nodiscard]] bool wants_unit() const { return alone_ns_ == 0; }
  /// A unit that was not cached took so long. Without this it is worth it.
  void timed(uint64_t ns) { alone_ns_ = ns > 0 ? ns : 1; }
  /// No unit is to be found that was not cached: it is worth it.
  void give_up() { *this = Worth(0); }
  /// The worker waited for its daemon: what has arrived until now tells nothing.
  void paused() { from_ns_ = 0; }
  /// So much has arrived by now. False, at most once: it is not worth it.
  bool goes_on(uint64_t arrived_bytes, uint64_t now_ns);

 private:
  static constexpr uint64_t judged_bytes = uint64_t{32} << 20;

  uint64_t unit_bytes_;
  uint64_t alone_ns_;
  uint64_t from_ns_ = 0;
  uint64_t from_bytes_ = 0;
  bool judged_ = false;
};

inline bool Worth::goes_on(uint64_t arrived_bytes, uint64_t now_ns) {
  if (unit_bytes_ == 0 || judged_ || wants_unit()) return true;
  if (from_ns_ == 0) {
    from_ns_ = now_ns;
    from_bytes_ = arrived_bytes;
  }
  const uint64_t bytes = arrived_bytes - from_bytes_;
  if (bytes < judged_bytes) return true;
  judged_ = true;
  const double together = static_cast<double>(bytes) / static_cast<double>(now_ns - from_ns_ + 1);
  const double alone = 2.0 * static_cast<double>(unit_bytes_) / static_cast<double>(alone_ns_);
  return together >= 1.25 * alone;
}

/// What a worker says when it was not.
inline constexpr const char* not_worth_it = "its store gives a reader as much without";

}  // namespace tuneshift
