// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libtune/topology.h"

namespace tuneshift {

/// What a lease stands for, by rising priority: on one knob the highest wins, among equals the
/// newest.
enum class LeaseKind {
  suspect,   ///< a reader of a model file: the read-ahead of its own store, nothing else
  server,    ///< a process that loaded a model and lives
  load,      ///< a model is being loaded
  switched,  ///< SwitchProfile: an administrator's choice until taken back
  hold,      ///< a client's hold
};

/// "suspect", "server", "load", "switch" or "hold".
const char* to_string(LeaseKind kind);

/// Why a profile applies, to what, since when.
struct Lease {
  LeaseKind kind = LeaseKind::suspect;
  std::string profile;
  std::string owner;  ///< for people: "load 3", "server 812"
  std::string reason;
  bool whole_machine = false;  ///< every disk and network file system instead of `stores`
  std::vector<Store> stores;
  /// Names that a person gave: `stores` follows what they stand for as devices come and go.
  std::vector<std::string> devices = {};
};

}  // namespace tuneshift
