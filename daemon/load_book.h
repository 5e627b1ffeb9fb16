// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "libtune/load_change.h"
#include "libtune/topology.h"
#include "libtune/vmstat.h"

namespace tuneshift {

/// One process reading one file of a load.
struct LoadReaderView {
  uint32_t pid = 0;
  std::string command;  ///< escaped
  std::string path;     ///< escaped
  uint64_t missed_bytes = 0;
  uint64_t file_bytes = 0;
};

/// A load as people see it. Strings are escaped; times are µs since the epoch.
struct LoadView {
  uint32_t id = 0;
  std::string state;
  std::set<std::string> devices;  ///< disks, or the bdi where there is none
  uint64_t total_bytes = 0;
  uint64_t loaded_bytes = 0;
  uint64_t rate = 0;  ///< bytes a second: lately while loading, on average afterwards
  uint64_t started_us = 0;
  uint64_t finished_us = 0;
  std::string assistance = "none yet";

  std::string model;
  std::string format;
  std::set<uint32_t> processes;
  std::set<std::string> commands;
  std::string cgroup;
  std::string workload;  ///< the unit or container that the cgroup is one of
  std::set<std::string> files;
  std::string pattern;
  std::string evidence;
  uint32_t shards = 1;
  uint64_t rate_before = 0;  ///< before the first help; 0 when too little was read to tell
  uint64_t rate_after = 0;
  uint64_t saved_us = 0;  ///< estimate, see docs/dbus.md

  std::vector<LoadReaderView> readers;  ///< the first LoadBook::shown_readers of them
  size_t known_readers = 0;             ///< of the load's, that are told of above
  uint64_t missed_bytes = 0;     ///< by all readers; more than was loaded where some missed twice
  uint64_t refaulted_bytes = 0;  ///< of the whole machine, while it loads
  uint64_t evicted_bytes = 0;    ///< the same
  uint64_t major_faults = 0;     ///< the same
  std::string warning;           ///< what goes wrong, in one line

  uint64_t first_ns = 0;
  uint64_t suspected_ns = 0;
  uint64_t sample_ns = 0;
  uint64_t sample_bytes = 0;
  uint64_t helped_ns = 0;
  uint64_t helped_bytes = 0;
  std::optional<VmStat> memory_at_start;
  uint64_t memory_ns = 0;  ///< of the last look
};

/// Of all loads since the daemon's start.
struct LoadTotals {
  uint64_t loaded_bytes = 0;
  uint64_t helped_bytes = 0;  ///< read after help began
  uint64_t saved_us = 0;      ///< of those that ended
};

/// How long the rest takes at the present rate, in µs; 0 when nothing is left or none can tell.
uint64_t time_left_us(const LoadView& view);

/// Keeps the views of running loads and of the last 64 ended ones.
class LoadBook {
 public:
  static constexpr size_t kept_ended = 64;
  static constexpr size_t shown_readers = 64;

  /// Creates or updates the view from the detector's load.
  LoadView& update(const Load& load, const Store& store, uint64_t now_ns);
  /// Notes that help began: the rate until now is the rate without it.
  static void helped(LoadView& view, uint64_t bytes, uint64_t now_ns);
  /// Notes what the machine's memory went through since the first call for this load, and warns
  /// when what it evicts meanwhile is needed again.
  static void note_memory(LoadView& view, const VmStat& now, uint64_t page_bytes);
  /// Fixes the end's figures. Returns the ids that fell out of the book.
  std::vector<uint32_t> end(uint32_t id, const Load& load, uint64_t now_us);

  [[nodiscard]] const LoadView* find(uint32_t id) const;
  LoadView* find(uint32_t id);
  [[nodiscard]] const std::map<uint32_t, LoadView>& all() const { return views_; }
  [[nodiscard]] LoadTotals totals() const;

 private:
  LoadTotals forgotten_;
  std::map<uint32_t, LoadView> views_;
};

}  // namespace tuneshift
