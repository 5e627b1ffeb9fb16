// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/prefetch/control_group.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "daemon/unique_fd.h"

namespace tuneshift {

namespace {

bool is_charging(std::string_view controllers) {
  while (!controllers.empty()) {
    const size_t comma = controllers.find(',');
    const std::string_view one = controllers.substr(0, comma);
    if (one == "memory" || one == "blkio") return true;
    controllers.remove_prefix(comma == std::string_view::npos ? controllers.size() : comma + 1);
  }
  return false;
}

}  // namespace

std::vector<std::string> charged_groups(std::string_view proc_cgroup) {
  std::vector<std::string> version_1;
  std::string version_2;
  while (!proc_cgroup.empty()) {
    // "4:memory:/docker/1", "0::/user.slice"
    const std::string_view line = proc_cgroup.substr(0, proc_cgroup.find('\n'));
    proc_cgroup.remove_prefix(std::min(line.size() + 1, proc_cgroup.size()));
    const size_t first = line.find(':');
    const size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    const std::string path(line.substr(second + 1));
    if ((path + "/").find("/../") != std::string::npos) return {};
    if (controllers.empty()) version_2 = path;
    if (is_charging(controllers)) version_1.push_back(std::string(controllers).append(path));
  }
  if (!version_1.empty()) return version_1;
  // Relative, as the others are.
  if (version_2.empty()) return {};
  return {"." + version_2};
}

Status join_groups(int root_fd, const std::vector<std::string>& groups) {
  if (groups.empty()) {
    return Error{ErrorCode::not_found, "the reader's control group is not known", {}, 0};
  }
  const std::string pid = std::to_string(getpid());
  for (const std::string& group : groups) {
    const std::string path = "sys/fs/cgroup/" + group + "/cgroup.procs";
    const UniqueFd procs(openat(root_fd, path.c_str(), O_WRONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!procs || write(procs.get(), pid.data(), pid.size()) != static_cast<ssize_t>(pid.size())) {
      return errno_error(errno, "join", path);
    }
  }
  return {};
}

}  // namespace tuneshift
