// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <map>
#include <string>

#include "libtune/value.h"

namespace tuneshift {

/// What one knob should be, and who says so.
struct Want {
  ValueSpec value;
  std::string profile;
  std::string owner;  ///< the lease: "load 3", "server 812", "hold 7", "switch"
  std::string why;

  bool operator==(const Want&) const = default;
};

/// Canonical knob name → want. Knobs that are not in it belong at their original value.
using Desired = std::map<std::string, Want>;

}  // namespace tuneshift
