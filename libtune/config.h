// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <array>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "libtune/diagnostic.h"

namespace tuneshift {

enum class Mode {
  observe,    ///< decides, records and reports; writes nothing
  automatic,  ///< "auto": loads, servers and holds change knobs
  manual,     ///< only holds and SwitchProfile change knobs
  paused,     ///< nothing is decided, everything is put back
};

/// "observe", "auto", "manual" or "paused".
const char* to_string(Mode mode);
bool parse_mode(const std::string& text, Mode& mode);

/// What the daemon sees with, each by a BPF program of its own; `probes.off` names some of them.
inline constexpr std::array<std::string_view, 6> signal_names = {
    "reads", "mappings", "cache_fills", "nfs_reads", "latency", "sysctl_writes"};

/// tuneshift.yaml. Every field has the default of a new installation.
struct Config {
  Mode mode = Mode::observe;
  std::string loading_profile = "throughput";
  std::string serving_profile = "latency";
  uint64_t size_floor_bytes = 256ULL << 20;  ///< smaller files are never looked at
  uint64_t settle_ms = 2000;                 ///< a load without progress for so long has ended
  uint64_t dwell_ms = 60000;                 ///< between two changes of one machine-wide knob
  uint32_t writes_per_hour = 30;             ///< the most changes of one machine-wide knob
  bool prefetch = true;                      ///< whether files may be read ahead of their readers
  bool prefetch_account_daemon = false;      ///< charged to the daemon; else to the reader
  bool prefetch_stand_down = true;           ///< ends where a store gives a reader as much without
  bool allow_kubernetes = false;  ///< whether units under kubepods may be changed: the kubelet's
  std::set<std::string> signals_off;  ///< of signal_names: their programs are never loaded
};

/// Parses the text of a configuration; `file` is used in the diagnostics. An empty text gives the
/// defaults. Unknown keys and values out of range are mistakes, all of them are collected.
Config parse_config(const std::string& text, const std::string& file, Diagnostics& mistakes);

/// The same from a file; a missing file gives the defaults, an unreadable one or one that others
/// may write is a mistake.
Config read_config(const std::string& path, Diagnostics& mistakes);

}  // namespace tuneshift
