// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <string_view>

namespace tuneshift {

/// Whose a process is, by the names that the tools of its manager take. Empty where there is none.
struct Workload {
  std::string unit;       ///< for systemctl: "vllm.service"; of a user's manager as well
  std::string runtime;    ///< "docker", "containerd", "crio", "podman"; empty where unknown
  std::string container;  ///< for docker, crictl or podman: the first 12 characters of its id
  std::string pod;        ///< the UID of a Kubernetes pod
};

/// From a path in /proc/PID/cgroup. Who may make cgroups chooses their names: this is for people to
/// read, and no proof. The forms: systemd's docs/CGROUP_DELEGATION.md and systemd.unit(5);
/// runc's systemd and cgroupfs drivers ("docker-ID.scope", "/docker/ID"); kubelet's
/// "…-podUID.slice" and "/kubepods/burstable/podUID".
Workload workload_of(std::string_view cgroup);

/// One line: "vllm.service", "docker 0123456789ab", "pod UID, containerd 0123456789ab".
std::string to_string(const Workload& workload);

}  // namespace tuneshift
