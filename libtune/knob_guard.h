// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>

#include "libtune/knob_writer.h"

namespace tuneshift {

/// A knob that a write to another one may move, and what it showed before that write.
struct KnobWriter::Guard {
  Knob knob;
  std::string device;  ///< device_identity() of then
  std::string before;
  bool excluded = false;  ///< it is 0 for as long as the other is in force: not to be put back yet
};

}  // namespace tuneshift
