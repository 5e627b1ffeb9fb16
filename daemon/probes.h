// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "daemon/sysctl_write.h"
#include "libtune/event.h"
#include "libtune/neighbours.h"
#include "libtune/result.h"

namespace tuneshift {

enum class Tier { ok, fallback, absent };

/// "ok", "fallback" or "absent".
const char* to_string(Tier tier);

/// How well one signal works, and why.
struct SignalState {
  Tier tier = Tier::absent;
  std::string why;
};

struct ProbeSettings {
  uint64_t size_floor_bytes = 0;
  std::string selftest_directory;  ///< on a file system with a block device, if there is one
  std::string kernel_root = "/";   ///< where proc/kallsyms is; another directory in tests
  std::set<std::string> off = {};  ///< signals that are not even loaded
};

/// Completed requests since start, by log2 of µs or bytes: element i counts [2^i, 2^(i+1)), the
/// first also 0.
struct RequestCounts {
  std::vector<uint64_t> queue;   ///< µs in the scheduler's queue; only those that were queued
  std::vector<uint64_t> device;  ///< µs from their issue to the driver to their completion
  std::vector<uint64_t> sizes;   ///< bytes
};

struct LatencyHistogram {
  RequestCounts read;
  RequestCounts write;
};

/// The BPF side: loads and attaches each signal by itself and turns ring-buffer records into
/// Events. Whatever fails costs that one signal and is told in signals(); construction never fails.
/// Signals: "reads", "cache_fills", "mappings", "nfs_reads", "latency", "sysctl_writes".
class Probes {
 public:
  using Handler = std::function<void(const Event&)>;
  using SysctlHandler = std::function<void(const SysctlWrite&)>;

  Probes(const ProbeSettings& settings, Handler handler, SysctlHandler sysctl_handler = {});
  Probes(const Probes&) = delete;
  Probes& operator=(const Probes&) = delete;
  ~Probes();

  /// Reads a known uncached file and compares what the probes saw; fills in the tiers. Takes some
  /// milliseconds; events of the test are not handed on.
  void self_test();

  /// Becomes readable when events are to be looked at; -1 when no ring buffer could be made.
  [[nodiscard]] int poll_fd() const;

  /// Hands waiting events to the handlers: 64 of readers at most, so that the loop's others get
  /// their turn however many there are. True when some may be left: call again.
  bool dispatch();

  /// Attaches or detaches the page-cache signal: on only while a file system without a block device
  /// is mounted, because it runs for every page added to the cache.
  void watch_cache_fills(bool on);

  /// Loads or drops the signal of O_DIRECT reads of NFS: on only while the client's module is there
  /// and a file system without a disk is mounted, because it keeps the module from being removed.
  void watch_nfs_reads(bool on);

  /// No further events from this reader of this file.
  void silence(const Reader& reader);

  /// Whether further events of this reader wait for dispatch() without making poll_fd() readable,
  /// all but those of the last 8 MiB of its file. Does nothing to a silenced one.
  void let_wait(const Reader& reader, bool waits);

  /// Bytes missed so far, also between two events; 0 for an unknown reader.
  [[nodiscard]] uint64_t bytes_seen(const Reader& reader) const;
  /// Where in the file its last miss ended, as far as that is counted.
  [[nodiscard]] uint64_t position(const Reader& reader) const;

  /// Whether misses are counted by process and store: on only while somebody is helped.
  void watch_neighbours(bool on);
  /// What was counted since the last call.
  [[nodiscard]] std::vector<NeighbourReads> take_neighbour_reads();

  /// Events that found the ring buffer full, until the last dispatch(): that handed on the latest
  /// of each reader all the same.
  [[nodiscard]] uint64_t dropped_events() const;

  /// Empty vectors when the signal is absent or the device had no request yet.
  [[nodiscard]] LatencyHistogram latency(uint32_t device_major, uint32_t device_minor) const;

  [[nodiscard]] const std::map<std::string, SignalState>& signals() const;

  /// What the absence of an absent signal means: something takes its place (fallback), or not.
  void explain_absence(const std::string& signal, Tier tier, const std::string& meaning);

 private:
  struct Programs;
  std::unique_ptr<Programs> programs_;
};

}  // namespace tuneshift
