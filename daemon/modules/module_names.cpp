// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/modules/module_names.h"

#include <set>

#include "libtune/config.h"
#include "libtune/profile_file.h"

namespace tuneshift {

namespace {

void add_named(const std::vector<std::string>& names, std::set<std::string>& modules,
               Diagnostics& mistakes) {
  for (const std::string& name : names) {
    // A name for modprobe's configuration, not an option of whatever command it leads to.
    if (is_module_name(name) && name.front() != '-') {
      modules.insert(name);
    } else {
      mistakes.push_back({"command line", 0, 0, "'" + name + "' is no name of a kernel module"});
    }
  }
}

}  // namespace

ModulePlan modules_to_load(const ModuleRequest& request, Diagnostics& mistakes) {
  ModulePlan plan;
  std::set<std::string> modules;
  if (request.names.empty()) {
    const Config config = read_config(request.config, mistakes);
    plan.may_load = config.mode == Mode::automatic || config.mode == Mode::manual;
    for (const auto& [name, profile] : read_profiles(request.profiles, mistakes)) {
      modules.insert(profile.modules.begin(), profile.modules.end());
    }
  } else {
    add_named(request.names, modules, mistakes);
  }
  if (mistakes.empty()) plan.names.assign(modules.begin(), modules.end());
  return plan;
}

}  // namespace tuneshift
