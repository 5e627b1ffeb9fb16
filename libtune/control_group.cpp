// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/control_group.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace tuneshift {

namespace {

constexpr size_t most_levels = 32;

std::string_view take_until(std::string_view& text, char end) {
  const std::string_view part = text.substr(0, text.find(end));
  text.remove_prefix(std::min(part.size() + 1, text.size()));
  return part;
}

bool has_word(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    if (take_until(list, ',') == word) return true;
  }
  return false;
}

/// "HIERARCHY:CONTROLLERS:PATH": the path, which may have colons.
std::optional<std::string_view> find_path(std::string_view text, std::string_view controller) {
  while (!text.empty()) {
    std::string_view line = take_until(text, '\n');
    const std::string_view hierarchy = take_until(line, ':');
    const std::string_view controllers = take_until(line, ':');
    const bool wanted = controller.empty() ? hierarchy == "0" : has_word(controllers, controller);
    if (wanted) return line;
  }
  return std::nullopt;
}

Result<std::vector<ControlGroup>> split(const std::string& hierarchy, std::string_view path) {
  if (path.empty() || path.front() != '/') {
    return Error{ErrorCode::invalid_argument,
                 "'" + std::string(path) + "' is no path of a control group",
                 {},
                 0};
  }
  std::vector<ControlGroup> levels = {{hierarchy, "/"}};
  std::string below;
  while (!path.empty()) {
    const std::string_view name = take_until(path, '/');
    if (name.empty()) continue;
    if (name == "..") {
      return Error{ErrorCode::invalid_argument,
                   "its control group is outside the namespace that it is seen from",
                   {},
                   0};
    }
    if (levels.size() > most_levels) {
      return Error{
          ErrorCode::limit_exceeded,
          "its control group is below more than " + std::to_string(most_levels) + " others",
          {},
          0};
    }
    below.append("/").append(name);
    levels.push_back({hierarchy + below, below});
  }
  std::reverse(levels.begin(), levels.end());
  return levels;
}

}  // namespace

Result<ControlGroups> find_control_groups(const KernelFs& kernel, std::string_view process,
                                          std::string_view controller) {
  const auto text = kernel.read("proc/" + std::string(process) + "/cgroup");
  if (!text && text.error().code == ErrorCode::not_found) return ControlGroups{};
  if (!text) return text.error();
  const std::string root = "sys/fs/cgroup";
  ControlGroups groups;
  std::string hierarchy = root + "/" + std::string(controller);
  auto path = find_path(text.value(), controller);
  groups.v2 = !path;
  if (groups.v2) {
    path = find_path(text.value(), {});
    hierarchy = kernel.exists(root + "/cgroup.controllers") ? root : root + "/unified";
  }
  if (!path) return groups;
  auto levels = split(hierarchy, *path);
  if (!levels) return levels.error();
  groups.levels = std::move(levels).value();
  return groups;
}

}  // namespace tuneshift
