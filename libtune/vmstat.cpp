// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/vmstat.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace tuneshift {

namespace {

constexpr std::array<std::pair<std::string_view, uint64_t VmStat::*>, 8> counters = {{
    {"workingset_refault_file", &VmStat::refaulted_pages},
    {"pgsteal_file", &VmStat::evicted_pages},
    {"pgmajfault", &VmStat::major_faults},
    {"pgpgin", &VmStat::paged_in_kib},
    {"pgalloc_dma", &VmStat::allocated_pages},
    {"pgalloc_dma32", &VmStat::allocated_pages},
    {"pgalloc_normal", &VmStat::allocated_pages},
    {"pgalloc_movable", &VmStat::allocated_pages},
}};

}  // namespace

VmStat parse_vmstat(std::string_view text) {
  VmStat stat;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const size_t space = line.find(' ');
    if (space == std::string_view::npos) continue;
    const auto counter = std::find_if(counters.begin(), counters.end(), [&](const auto& known) {
      return known.first == line.substr(0, space);
    });
    if (counter == counters.end()) continue;
    uint64_t value = 0;
    std::from_chars(line.data() + space + 1, line.data() + line.size(), value);
    stat.*counter->second += value;
  }
  return stat;
}

Result<VmStat> read_vmstat(const KernelFs& kernel) {
  const auto text = kernel.read("proc/vmstat");
  if (!text) return text.error();
  return parse_vmstat(text.value());
}

VmStat operator-(const VmStat& later, const VmStat& earlier) {
  VmStat change;
  for (const auto& [name, counter] : counters)
    change.*counter = later.*counter - std::min(earlier.*counter, later.*counter);
  return change;
}

}  // namespace tuneshift
