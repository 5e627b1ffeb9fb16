// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <memory>
#include <string>

#include "libtune/result.h"

struct kmod_ctx;

namespace tuneshift {

enum class ModuleState { loaded, already_loaded, built_in, blacklisted, unknown, failed };

/// What a person is told: "loaded", "already loaded", "built in", "blacklisted", "unknown" or
/// "failed".
const char* to_string(ModuleState state);

struct ModuleOutcome {
  ModuleState state = ModuleState::failed;
  std::string why;  ///< of a failure, else empty
};

/// Loads modules as modprobe(8) does, with modprobe.d(5): aliases, dependencies, options and
/// install commands of the administrator hold, and so does their blacklist, also for a module that
/// is named outright. Nothing is ever unloaded and no parameter given.
class ModuleLoader {
 public:
  /// `directory` has the index of the modules; empty: that of the running kernel.
  static Result<ModuleLoader> open(const std::string& directory = {});

  /// `name` is as check_module_name() wants it.
  ModuleOutcome load(const std::string& name);

 private:
  struct Unref {
    void operator()(kmod_ctx* context) const;
  };
  explicit ModuleLoader(std::unique_ptr<kmod_ctx, Unref> context) : context_(std::move(context)) {}

  std::unique_ptr<kmod_ctx, Unref> context_;
};

}  // namespace tuneshift
