// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libtune/load_change.h"
#include "libtune/profile.h"
#include "libtune/trace.h"

namespace tuneshift {

/// One decision of the detector, or of the policy about a knob.
struct ReplayStep {
  uint64_t time_ns = 0;
  std::optional<LoadChange> change;  ///< the detector's; the rest is the policy's
  std::string command;               ///< of the reader's process, raw
  std::string knob;
  std::string wanted;  ///< empty: nobody wants it any more, it goes back
  std::string profile;
  std::string owner;
};

/// What became of a process that the trace has a label for.
struct ReplayVerdict {
  TraceLabel label;
  bool loaded = false;
  bool served = false;
  std::optional<uint64_t> delay_ns;  ///< from suspected to its load's start
  std::string reason;                ///< the last one that was given for its reader

  /// Whether it was taken for what the label says.
  [[nodiscard]] bool holds() const;
};

struct Replayed {
  std::vector<ReplayStep> steps;  ///< without progress
  std::vector<ReplayVerdict> verdicts;
  /// Where the detector decides otherwise than the one that was recorded: a line each.
  std::vector<std::string> differences;
  bool compared = false;    ///< the trace has the decisions of its time
  uint64_t lost_lines = 0;  ///< nothing is compared behind the first
  uint64_t first_ns = 0;    ///< of the trace's inputs
  uint64_t last_ns = 0;
};

/// Runs detector and policy over a trace. The time of each line is now; deadlines between two
/// lines are kept in their order. Readers that the recorded detector knew before the recording
/// began are left out, as nobody knows what it knew.
Replayed replay(const Trace& trace, const Profiles& profiles);

}  // namespace tuneshift
