// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/modules/module_names.h"

#include <algorithm>

namespace tuneshift {

namespace {

constexpr size_t longest_name = 55;

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

}  // namespace

Status check_module_name(const std::string& name) {
  if (!name.empty() && name.size() <= longest_name && name.front() != '-' &&
      std::all_of(name.begin(), name.end(), is_name_character)) {
    return {};
  }
  return Error{ErrorCode::invalid_argument,
               "'" + name.substr(0, longest_name) + "' is no name of a kernel module",
               {},
               0};
}

Result<std::vector<std::string>> modules_to_load(const ModuleRequest& request) {
  std::vector<std::string> modules;
  for (const std::string& name : request.names) {
    const Status status = check_module_name(name);
    if (!status) return status.error();
    if (std::find(modules.begin(), modules.end(), name) == modules.end()) modules.push_back(name);
  }
  return modules;
}

}  // namespace tuneshift
