// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <sys/types.h>
#include <systemd/sd-event.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "daemon/prefetcher.h"
#include "tests/inspect/readers.h"

namespace tuneshift::testing {

inline constexpr uint64_t mib = 1 << 20;
inline constexpr uint64_t all_bytes = ~uint64_t{0};

/// A prefetcher on a loop of its own that keeps what was said last of each file.
class Fetching {
 public:
  explicit Fetching(Prefetcher::Limits limits = {}, const std::string& helper = TUNESHIFT_PREFETCH);
  Fetching(const Fetching&) = delete;
  Fetching& operator=(const Fetching&) = delete;

  Prefetcher& prefetcher() { return prefetcher_; }

  /// Runs the loop until the last word on a file; gives it.
  PrefetchProgress end_of(const FileId& file);
  /// Runs the loop until so many bytes have arrived.
  PrefetchProgress wait_for(const FileId& file, uint64_t bytes);
  /// Runs the loop until this holds.
  void run_until(const std::function<bool()>& holds);
  /// Starts a worker with all of the budget and waits for its end.
  PrefetchProgress fetch(const PrefetchOrder& order);

  std::map<FileId, PrefetchProgress> said;
  unsigned words = 0;

 private:
  struct Unref {
    void operator()(sd_event* loop) const { sd_event_unref(loop); }
  };
  // The prefetcher goes before its loop does.
  std::unique_ptr<sd_event, Unref> loop_;
  Prefetcher prefetcher_;
};

/// The order for what this process reads of the file, with its present size.
PrefetchOrder order_for(const Process& process, const std::string& path,
                        PrefetchOrder::Way way = PrefetchOrder::Way::descriptor);

/// Whether so much of a file is in the page cache: no byte more, but up to an eighth less. The last
/// requests come in any order, and a kernel that reclaims ahead of need takes first what was read
/// ahead and not used yet.
bool is_resident(uint64_t resident, uint64_t expected);
/// From its byte `first` on.
bool has_resident(const std::string& path, uint64_t expected, uint64_t first = 0);

/// The worker that runs as this process's child; 0 when there is none.
pid_t worker_pid();
/// The same of any program: its name as /proc has it, 15 bytes.
pid_t child_named(const std::string& name);

/// The value of a line of proc/PID/status.
std::string status_of(pid_t pid, const std::string& key);

/// In a reader: becomes nobody.
bool drop_root();

}  // namespace tuneshift::testing
