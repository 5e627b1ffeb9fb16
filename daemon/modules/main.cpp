// SPDX-License-Identifier: LGPL-2.1-or-later
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "daemon/modules/module_loader.h"
#include "daemon/modules/module_names.h"

namespace {

using namespace tuneshift;

bool load(ModuleLoader& loader, const std::string& name) {
  const ModuleOutcome outcome = loader.load(name);
  const bool is_there = outcome.state == ModuleState::loaded ||
                        outcome.state == ModuleState::already_loaded ||
                        outcome.state == ModuleState::built_in;
  std::fprintf(is_there ? stdout : stderr, "%s: %s%s%s\n", name.c_str(), to_string(outcome.state),
               outcome.why.empty() ? "" : ": ", outcome.why.c_str());
  return is_there;
}

int load_all(const std::vector<std::string>& names) {
  auto loader = ModuleLoader::open();
  if (!loader) {
    std::fprintf(stderr, "tuneshift-modules: %s\n", loader.error().message.c_str());
    return 1;
  }
  bool all_there = true;
  for (const std::string& name : names) all_there = load(loader.value(), name) && all_there;
  return all_there ? 0 : 1;
}

int run(const ModuleRequest& request) {
  Diagnostics mistakes;
  const ModulePlan plan = modules_to_load(request, mistakes);
  for (const Diagnostic& mistake : mistakes) {
    std::fprintf(stderr, "%s\n", to_string(mistake).c_str());
  }
  if (!mistakes.empty()) return 1;
  if (plan.names.empty()) return 0;
  if (plan.may_load) return load_all(plan.names);
  for (const std::string& name : plan.names) {
    std::printf("%s: would be loaded; nothing is changed in this mode\n", name.c_str());
  }
  return 0;
}

int parse_and_run(int argc, char** argv) {
  ModuleRequest request;
  CLI::App app("Loads kernel modules; never unloads any.", "tuneshift-modules");
  app.add_option("NAME", request.names, "Modules to load, instead of those of the profiles");
  app.add_option("--profiles", request.profiles,
                 "Folder of profiles; several, the later ones override the earlier")
      ->capture_default_str();
  app.add_option("--config", request.config, "Configuration file: its mode says whether to load")
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  return run(request);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return parse_and_run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tuneshift-modules: %s\n", error.what());
    return 1;
  }
}
