// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <vector>

#include "libtune/result.h"

namespace tuneshift {

/// What tuneshift-modules was asked for on its command line.
struct ModuleRequest {
  std::vector<std::string> names;
};

/// invalid_argument unless it is 1 to 55 letters, digits, "_" and "-" (MODULE_NAME_LEN of
/// include/linux/module.h, on 64 bits, with its terminator): nothing that would be an option, a
/// path or an alias with a pattern.
Status check_module_name(const std::string& name);

/// The modules to load, each once, in the order in which they are named. An error names the first
/// that cannot be one; then none is to be loaded.
Result<std::vector<std::string>> modules_to_load(const ModuleRequest& request);

}  // namespace tuneshift
