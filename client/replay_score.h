// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "client/json.h"
#include "libtune/replay.h"

namespace tuneshift {

/// What the labels of several traces say about their replays.
struct ReplayScore {
  uint64_t traces = 0;
  uint64_t loads = 0;        ///< labelled so
  uint64_t found = 0;        ///< of them
  uint64_t false_loads = 0;  ///< taken for a load, but labelled otherwise
  uint64_t servers = 0;
  uint64_t found_servers = 0;
  uint64_t contradicted = 0;
  uint64_t differences = 0;
  std::vector<uint64_t> delays_us;  ///< from suspected to started, of the loads found
  uint64_t virtual_us = 0;
  uint64_t took_us = 0;

  void add(const Replayed& done);
  [[nodiscard]] bool is_good() const { return contradicted == 0 && differences == 0; }
  /// Of the loads found, those that were some; 1 when none was found.
  [[nodiscard]] double precision() const;
  /// Of the loads that were some, those found; 1 when there were none.
  [[nodiscard]] double recall() const;

  [[nodiscard]] std::string text() const;
  [[nodiscard]] Json json() const;
};

}  // namespace tuneshift
