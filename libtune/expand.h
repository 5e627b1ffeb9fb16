// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <map>
#include <string>
#include <vector>

#include "libtune/machine.h"
#include "libtune/profile.h"

namespace tuneshift {

/// The knobs that a profile asks for on these stores of this machine, each with the line that
/// counts. A condition on a disk holds for a knob of several disks when it holds for all of them,
/// for a machine-wide knob when it holds for any in scope; one on the file system likewise.
std::map<std::string, const ProfileEntry*> expand(const Profile& profile,
                                                  const std::vector<Store>& stores,
                                                  const Machine& machine);

}  // namespace tuneshift
