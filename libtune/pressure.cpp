// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/pressure.h"

#include <algorithm>

#include "libtune/number.h"

namespace tuneshift {

uint64_t parse_memory_stall_us(std::string_view text) {
  constexpr std::string_view key = "total=";
  // "some avg10=0.00 avg60=0.00 avg300=0.00 total=0", then "full …".
  const std::string_view line = text.substr(0, text.find('\n'));
  const size_t at = line.find(key);
  if (!line.starts_with("some ") || at == std::string_view::npos) return 0;
  const auto total = parse_integer(line.substr(at + key.size()));
  return total && *total > 0 ? static_cast<uint64_t>(*total) : 0;
}

uint64_t read_memory_stall_us(const KernelFs& kernel) {
  const auto text = kernel.read("proc/pressure/memory");
  return text.ok() ? parse_memory_stall_us(text.value()) : 0;
}

void MemoryPressure::look(uint64_t stall_us, uint64_t now_ns) {
  const uint64_t since_ns = now_ns - looked_ns_;
  const uint64_t stalled_us = stall_us - std::min(stall_us, stall_us_);
  const bool first = looked_ns_ == 0 || since_ns > most_period_ns;
  if (!first && stalled_us * 1000 >= since_ns / 10) short_until_ns_ = now_ns + stays_ns;
  looked_ns_ = now_ns;
  stall_us_ = stall_us;
}

}  // namespace tuneshift
