// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/neighbours.h"

namespace tuneshift {

bool Neighbours::look(const std::vector<NeighbourReads>& reads, const std::set<pid_t>& helped,
                      uint64_t now_ns) {
  auto& present = misses_.at(next_);
  next_ = (next_ + 1) % looks;
  present.clear();
  for (const NeighbourReads& one : reads) {
    if (!helped.contains(one.pid)) present[one.store] += one.misses;
  }
  std::map<DeviceNumber, uint64_t> sums;
  for (const auto& some : misses_) {
    for (const auto& [store, misses] : some) sums[store] += misses;
  }
  bool changed = false;
  for (const auto& [store, misses] : sums) {
    if (misses < least_misses) continue;
    changed |= !shared_.contains(store);
    shared_[store] = now_ns + stays_ns;
  }
  changed |= std::erase_if(shared_, [&](const auto& one) { return now_ns >= one.second; }) > 0;
  return changed;
}

void Neighbours::forget() {
  misses_ = {};
  shared_.clear();
}

}  // namespace tuneshift
