// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <vector>

#include "libtune/mistakes.h"

namespace tuneshift {

/// What tuneshift-modules was asked for on its command line.
struct ModuleRequest {
  std::vector<std::string> names;  ///< none: those of the profiles
  std::vector<std::string> profiles = {"/usr/lib/tuneshift/profiles", "/etc/tuneshift/profiles"};
  std::string config = "/etc/tuneshift/tuneshift.yaml";
};

struct ModulePlan {
  std::vector<std::string> names;  ///< each once
  bool may_load = true;            ///< not while the configuration lets nothing be changed
};

/// The modules to load. Those of every profile, as any may be held, and a load does not wait for a
/// module. Nothing is to be loaded when there are mistakes.
ModulePlan modules_to_load(const ModuleRequest& request, Diagnostics& mistakes);

}  // namespace tuneshift
