// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "libtune/config.h"
#include "libtune/event.h"
#include "libtune/facts.h"
#include "libtune/load_change.h"
#include "libtune/machine.h"
#include "libtune/process_sample.h"
#include "libtune/result.h"
#include "libtune/topology.h"

namespace tuneshift {

// A trace is what went into a Detector, line by line, with what it decided and what the policy must
// know of the machine. docs/traces.md describes the text.

constexpr unsigned trace_major = 1;
constexpr unsigned trace_minor = 1;
constexpr size_t most_trace_bytes = 64 << 20;
constexpr size_t most_trace_lines = 500'000;
constexpr size_t longest_trace_line = 64 << 10;
constexpr size_t most_trace_items = 1024;  ///< of one list

/// Where a trace comes from.
struct TraceOrigin {
  std::string version;  ///< of tuneshiftd
  std::string kernel;   ///< proc/sys/kernel/osrelease
  bool hashed = false;  ///< names were replaced, see NameHasher; decisions then have no reasons
};

// Inputs, one struct for each function of Detector.
struct TraceFacts {
  Reader reader;
  Facts facts;
};
struct TraceFailure {
  Reader reader;
  ErrorCode code = ErrorCode::io;
  std::string message;
};
struct TraceSample {
  Reader reader;
  ProcessSample sample;
};
/// What came to a reader that is read ahead of.
struct TraceConsumed {
  Reader reader;
  uint64_t bytes = 0;
};

struct TraceBytes {
  Reader reader;
  uint64_t bytes = 0;
};
struct TraceGone {
  ProcessId process;
};
struct TraceTimer {};
struct TraceCancel {
  uint32_t load = 0;
};
/// In force from here on.
struct TraceSettings {
  uint64_t settle_ms = 2000;
  uint64_t size_floor_bytes = 256ULL << 20;  ///< the probes tell of no smaller file
  uint64_t dwell_ms = 60000;
  uint32_t writes_per_hour = 30;
  Mode mode = Mode::observe;
  std::string loading_profile;
  std::string serving_profile;

  bool operator==(const TraceSettings&) const = default;
};

// The machine, as far as profiles ask for it.
struct TraceMachine {
  int64_t memory_bytes = 0;
  std::string cpu_vendor;
  std::string virtualization;
  std::vector<std::string> cpu_policies;
};
struct TraceDisk {
  std::string name;
  DiskFacts facts;
};
/// The store of files on this device, before the first event from it.
struct TraceStore {
  uint32_t device_major = 0;
  uint32_t device_minor = 0;
  Store store;
};

/// What the daemon decided on the input before; progress is left out.
struct TraceDecision {
  LoadChange change;
};
/// So many lines could not be recorded here: the reader of the trace was too slow.
struct TraceLost {
  uint64_t lines = 0;
};
/// The recording was ended in order.
struct TraceEnd {};

/// What a process really was, added by a person: a replay is measured against it.
struct TraceLabel {
  enum class Is { load, not_load, server };
  pid_t pid = 0;
  Is is = Is::load;
  std::string name;        ///< for people: "mmap-tensor"
  uint64_t within_ms = 0;  ///< from suspected to started at most; 0: any time
};

using TraceBody =
    std::variant<TraceOrigin, TraceSettings, TraceMachine, TraceDisk, TraceStore, Event, TraceFacts,
                 TraceFailure, TraceSample, TraceBytes, TraceConsumed, TraceGone, TraceTimer,
                 TraceCancel, TraceDecision, TraceLost, TraceEnd, TraceLabel>;

struct TraceEntry {
  uint64_t time_ns = 0;  ///< CLOCK_MONOTONIC: the `now` of an input or a decision; 0: none
  TraceBody body;
};

using Trace = std::vector<TraceEntry>;

/// "load", "not-load" or "server".
const char* to_string(TraceLabel::Is is);

/// The first line, with its end.
std::string trace_header();
/// One line, with its end.
std::string to_line(const TraceEntry& entry);

/// Parses a whole trace. invalid_argument with the line's number when it is none, or has a kind or
/// a key of a newer version; limit_exceeded past the bounds above.
Result<Trace> parse_trace(std::string_view text);

}  // namespace tuneshift
