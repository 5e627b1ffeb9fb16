// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string_view>

#include "libtune/kernel_fs.h"

namespace tuneshift {

/// How long some process has waited for memory since the machine's boot, in µs: `some` of
/// proc/pressure/memory (Documentation/accounting/psi.rst). 0 for a text that does not say.
uint64_t parse_memory_stall_us(std::string_view text);

/// The same of this machine; 0 where the kernel does not tell.
uint64_t read_memory_stall_us(const KernelFs& kernel);

/// Tells from figures that are given now and then whether memory is so short that others wait for
/// it: a tenth of the time between two looks. It stays short for a second after that.
class MemoryPressure {
 public:
  /// Between two looks; asked earlier, the last answer counts.
  static constexpr uint64_t period_ns = 100'000'000;

  /// Whether a look is due.
  [[nodiscard]] bool is_due(uint64_t now_ns) const { return now_ns >= looked_ns_ + period_ns; }
  void look(uint64_t stall_us, uint64_t now_ns);
  [[nodiscard]] bool is_short(uint64_t now_ns) const { return now_ns < short_until_ns_; }

 private:
  static constexpr uint64_t stays_ns = 1'000'000'000;
  /// Of a stall longer ago nothing follows.
  static constexpr uint64_t most_period_ns = 10 * period_ns;

  uint64_t looked_ns_ = 0;
  uint64_t stall_us_ = 0;
  uint64_t short_until_ns_ = 0;
};

}  // namespace tuneshift
