// SPDX-License-Identifier: LGPL-2.1-or-later
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "daemon/modules/module_loader.h"
#include "daemon/modules/module_names.h"

namespace {

using namespace tuneshift;

int complain(const Error& error) {
  std::fprintf(stderr, "tuneshift-modules: %s\n", error.message.c_str());
  return 1;
}

bool load(ModuleLoader& loader, const std::string& name) {
  const ModuleOutcome outcome = loader.load(name);
  const bool is_there = outcome.state == ModuleState::loaded ||
                        outcome.state == ModuleState::already_loaded ||
                        outcome.state == ModuleState::built_in;
  std::fprintf(is_there ? stdout : stderr, "%s: %s%s%s\n", name.c_str(), to_string(outcome.state),
               outcome.why.empty() ? "" : ": ", outcome.why.c_str());
  return is_there;
}

int run(const ModuleRequest& request) {
  const auto modules = modules_to_load(request);
  if (!modules) return complain(modules.error());
  if (modules.value().empty()) return 0;
  auto loader = ModuleLoader::open();
  if (!loader) return complain(loader.error());
  bool all_there = true;
  for (const std::string& name : modules.value()) {
    all_there = load(loader.value(), name) && all_there;
  }
  return all_there ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  ModuleRequest request;
  CLI::App app("Loads kernel modules; never unloads any.", "tuneshift-modules");
  app.add_option("NAME", request.names, "Modules to load");
  CLI11_PARSE(app, argc, argv);
  try {
    return run(request);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tuneshift-modules: %s\n", error.what());
    return 1;
  }
}
