// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/workload.h"

#include <algorithm>
#include <array>

namespace tuneshift {

namespace {

constexpr size_t kIdLength = 64;
constexpr size_t kShownId = 12;
constexpr size_t kUidLength = 36;

// The prefixes of their scopes, and the parents that the cgroupfs driver makes.
constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kRuntimes = {{
    {"docker", "docker"},
    {"cri-containerd", "containerd"},
    {"crio", "crio"},
    {"libpod", "podman"},
}};

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() > end.size() && text.substr(text.size() - end.size()) == end;
}

bool is_hex(std::string_view text, size_t length) {
  return text.size() == length &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string_view runtime_of(std::string_view prefix) {
  const auto* const found =
      std::find_if(kRuntimes.begin(), kRuntimes.end(),
                   [&](const auto& runtime) { return runtime.first == prefix; });
  return found == kRuntimes.end() ? std::string_view() : found->second;
}

/// "…pod" and the UID, in which a slice's name has "_" for "-".
std::string pod_uid(std::string_view part) {
  constexpr std::string_view kSlice = ".slice";
  if (ends_with(part, kSlice)) part.remove_suffix(kSlice.size());
  if (part.size() < kUidLength) return {};
  const std::string_view before = part.substr(0, part.size() - kUidLength);
  if (before != "pod" && !ends_with(before, "-pod")) return {};
  std::string uid(part.substr(before.size()));
  std::replace(uid.begin(), uid.end(), '_', '-');
  const bool is_uid =
      uid.find_first_not_of("0123456789abcdef-") == std::string::npos && uid[8] == '-';
  return is_uid ? uid : std::string();
}

void add_part(Workload& workload, std::string_view part, std::string_view parent) {
  if (std::string uid = pod_uid(part); !uid.empty()) workload.pod = std::move(uid);
  std::string_view id = part;
  std::string_view prefix = parent;
  if (ends_with(part, ".scope")) {
    id.remove_suffix(std::string_view(".scope").size());
    const size_t dash = id.rfind('-');
    prefix = dash == std::string_view::npos ? std::string_view() : id.substr(0, dash);
    if (dash != std::string_view::npos) id.remove_prefix(dash + 1);
  }
  if (is_hex(id, kIdLength)) {
    workload.container = std::string(id.substr(0, kShownId));
    workload.runtime = std::string(runtime_of(prefix));
  }
  if (ends_with(part, ".service") || ends_with(part, ".scope")) workload.unit = std::string(part);
}

}  // namespace

Workload workload_of(std::string_view cgroup) {
  Workload workload;
  std::string_view parent;
  while (!cgroup.empty()) {
    const size_t end = std::min(cgroup.find('/'), cgroup.size());
    const std::string_view part = cgroup.substr(0, end);
    add_part(workload, part, parent);
    parent = part;
    cgroup.remove_prefix(std::min(end + 1, cgroup.size()));
  }
  return workload;
}

std::string to_string(const Workload& workload) {
  if (workload.container.empty()) return workload.unit;
  const std::string pod = workload.pod.empty() ? "" : "pod " + workload.pod + ", ";
  return pod + (workload.runtime.empty() ? "container" : workload.runtime) + ' ' +
         workload.container;
}

}  // namespace tuneshift
