// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "libtune/config.h"
#include "libtune/event.h"
#include "libtune/result.h"
#include "libtune/topology.h"

namespace tuneshift {

/// What a daemon tells the one that replaces it in the same process, so that what clients were
/// promised goes on and no knob moves. The knobs themselves are in the journal.
struct Handover {
  /// Also what HoldBook keeps of one.
  struct Hold {
    uint32_t cookie = 0;
    std::string profile;
    std::string reason;  ///< escaped
    std::string sender;  ///< unique bus name
    uint32_t uid = 0;
    uint64_t since_us = 0;  ///< CLOCK_REALTIME
    uint64_t until_us = 0;  ///< the same; 0: no end
    uint64_t until_ns = 0;  ///< that end as CLOCK_MONOTONIC
    bool dies_with_sender = false;
    uint32_t pid = 0;  ///< 0: not bound to a process
    int pidfd = -1;    ///< the descriptor goes on; -1: none
    std::vector<std::string> devices;
  };
  /// A process that loads or serves, and what it read from.
  struct Process {
    ProcessId id;
    bool loads = false;
    std::vector<Store> stores;
  };
  /// What the journal does not tell of a knob; see KnobRecord for the fields.
  struct Knob {
    std::string name;
    std::string written = {};
    std::string refused = {};
    std::string moved_by = {};
    bool yielded = false;
    // Of one that is yielded:
    std::string why = {};
    std::string original = {};
    std::string device = {};
    std::vector<std::string> gave_up = {};
    std::string writer = {};
  };

  Mode mode = Mode::observe;
  Mode configured_mode = Mode::observe;  ///< what the configuration said then
  Mode mode_before_pause = Mode::observe;
  uint64_t pause_until_ns = 0;  ///< CLOCK_MONOTONIC; 0: no pause runs
  std::string switched_profile;
  uint32_t last_cookie = 0;
  std::vector<Hold> holds;
  std::vector<Process> processes;
  std::vector<Knob> knobs;
  std::map<std::string, unsigned> yields;  ///< knob → times given up since somebody asked for it
};

std::string to_text(const Handover& handover);

/// invalid_argument for a text of another version, or what is none.
Result<Handover> parse_handover(const std::string& text);

}  // namespace tuneshift
