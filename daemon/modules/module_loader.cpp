// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/modules/module_loader.h"

#include <libkmod.h>

#include <cerrno>
#include <optional>
#include <system_error>

namespace tuneshift {

namespace {

struct ModuleUnref {
  void operator()(kmod_module* module) const { kmod_module_unref(module); }
};
struct ListUnref {
  void operator()(kmod_list* list) const { kmod_module_unref_list(list); }
};
using Module = std::unique_ptr<kmod_module, ModuleUnref>;
using List = std::unique_ptr<kmod_list, ListUnref>;

ModuleOutcome failed(int result) {
  return {ModuleState::failed, std::generic_category().message(-result)};
}

/// Nothing when the module is not in the kernel.
std::optional<ModuleState> present(kmod_module* module) {
  switch (kmod_module_get_initstate(module)) {
    case KMOD_MODULE_BUILTIN:
      return ModuleState::built_in;
    case KMOD_MODULE_LIVE:
      return ModuleState::already_loaded;
    default:
      return std::nullopt;
  }
}

ModuleOutcome insert(kmod_module* module) {
  const auto there = present(module);
  if (there) return {*there, {}};
  const int result = kmod_module_probe_insert_module(module, KMOD_PROBE_APPLY_BLACKLIST, nullptr,
                                                     nullptr, nullptr, nullptr);
  if (result == KMOD_PROBE_APPLY_BLACKLIST) return {ModuleState::blacklisted, {}};
  if (result != 0) return failed(result < 0 ? result : -ECANCELED);
  return {ModuleState::loaded, {}};
}

bool is_failure(ModuleState state) {
  return state != ModuleState::loaded && state != ModuleState::already_loaded &&
         state != ModuleState::built_in;
}

}  // namespace

const char* to_string(ModuleState state) {
  switch (state) {
    case ModuleState::loaded:
      return "loaded";
    case ModuleState::already_loaded:
      return "already loaded";
    case ModuleState::built_in:
      return "built in";
    case ModuleState::blacklisted:
      return "blacklisted";
    case ModuleState::unknown:
      return "unknown";
    case ModuleState::failed:
      break;
  }
  return "failed";
}

void ModuleLoader::Unref::operator()(kmod_ctx* context) const {
  kmod_unref(context);
}

Result<ModuleLoader> ModuleLoader::open(const std::string& directory) {
  std::unique_ptr<kmod_ctx, Unref> context(
      kmod_new(directory.empty() ? nullptr : directory.c_str(), nullptr));
  if (!context) return errno_error(errno, "open the index of kernel modules", directory);
  return ModuleLoader(std::move(context));
}

ModuleOutcome ModuleLoader::load(const std::string& name) {
  kmod_list* found = nullptr;
  const int result = kmod_module_new_from_lookup(context_.get(), name.c_str(), &found);
  const List list(found);
  if (result < 0) return failed(result);
  if (!list) return {ModuleState::unknown, {}};
  // An alias may stand for several modules: all of them, and the worst news.
  ModuleOutcome outcome{ModuleState::already_loaded, {}};
  for (kmod_list* item = found; item != nullptr; item = kmod_list_next(found, item)) {
    const Module module(kmod_module_get_module(item));
    ModuleOutcome one = insert(module.get());
    if (one.state != ModuleState::already_loaded && !is_failure(outcome.state)) {
      outcome = std::move(one);
    }
  }
  return outcome;
}

}  // namespace tuneshift
