// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/neighbours.h"

#include <algorithm>

namespace tuneshift {

bool Neighbours::look(const std::vector<NeighbourReads>& reads, const std::set<pid_t>& helped,
                      uint64_t now_ns) {
  auto& present = misses_.at(next_);
  helped_.at(next_) = helped;
  next_ = (next_ + 1) % looks;
  present.clear();
  for (const NeighbourReads& one : reads) {
    const bool was_helped = std::any_of(helped_.begin(), helped_.end(),
                                        [&](const auto& some) { return some.contains(one.pid); });
    if (!was_helped) present[one.store] += one.misses;
  }
  std::map<DeviceNumber, uint64_t> sums;
  for (const auto& some : misses_) {
    for (const auto& [store, misses] : some) sums[store] += misses;
  }
  bool changed = false;
  for (const auto& [store, misses] : sums) {
    if (misses < least_misses) continue;
    auto [stays, first] = stays_.try_emplace(store, stays_ns);
    if (!shared_.contains(store)) {
      if (!first) stays->second = std::min(2 * stays->second, most_stays_ns);
      changed = true;
    }
    shared_[store] = now_ns + stays->second;
  }
  changed |= std::erase_if(shared_, [&](const auto& one) { return now_ns >= one.second; }) > 0;
  return changed;
}

void Neighbours::forget() {
  *this = {};
}

}  // namespace tuneshift
