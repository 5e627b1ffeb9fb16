// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "libtune/device_name.h"

namespace tuneshift {

/// What one process missed of a store's files, of whatever size, since the last look.
struct NeighbourReads {
  pid_t pid = 0;
  DeviceNumber store;  ///< s_dev
  uint64_t misses = 0;
};

/// Tells from which stores somebody reads who is not helped there, and whose requests therefore
/// wait behind those that the help adds. Pure.
class Neighbours {
 public:
  static constexpr uint64_t period_ns = 100'000'000;  ///< between two looks
  /// So many misses in as many looks: ten a second. Fewer are a program that starts, or a log.
  static constexpr size_t looks = 3;
  static constexpr uint64_t least_misses = 3;
  /// A store stays shared for so long after the last look that found it so; each time that it
  /// becomes shared again twice as long.
  static constexpr uint64_t stays_ns = 2'000'000'000;
  static constexpr uint64_t most_stays_ns = 64'000'000'000;

  /// `helped` are all who are now; those of the last looks are not taken for others either. Whether
  /// the answer for some store became another one.
  bool look(const std::vector<NeighbourReads>& reads, const std::set<pid_t>& helped,
            uint64_t now_ns);
  [[nodiscard]] bool share(const DeviceNumber& store) const { return shared_.contains(store); }
  /// Nobody is helped any more.
  void forget();

 private:
  std::array<std::map<DeviceNumber, uint64_t>, looks> misses_;  ///< of the last looks
  std::array<std::set<pid_t>, looks> helped_;
  size_t next_ = 0;
  std::map<DeviceNumber, uint64_t> shared_;  ///< until when
  std::map<DeviceNumber, uint64_t> stays_;   ///< how long the next time
};

}  // namespace tuneshift
