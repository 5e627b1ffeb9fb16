// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/workload.h"

#include "tests/catch.h"

using namespace tuneshift;

namespace {

const std::string kId = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const std::string kUid = "1f2e3d4c-0011-2233-4455-66778899aabb";
const std::string kUidInSlice = "1f2e3d4c_0011_2233_4455_66778899aabb";

std::string shown(const std::string& cgroup) {
  return to_string(workload_of(cgroup));
}

}  // namespace

TEST_CASE("a cgroup names a unit") {
  CHECK(shown("/system.slice/vllm.service") == "vllm.service");
  CHECK(shown("/system.slice/vllm.service/workers/3") == "vllm.service");
  CHECK(shown("/user.slice/user-1000.slice/session-3.scope") == "session-3.scope");
  CHECK(shown("/user.slice/user-1000.slice/user@1000.service/app.slice/ollama.service") ==
        "ollama.service");
  CHECK(shown("/system.slice").empty());
  CHECK(shown("/").empty());
  CHECK(shown("").empty());
}

TEST_CASE("a cgroup names a container") {
  CHECK(shown("/system.slice/docker-" + kId + ".scope") == "docker 0123456789ab");
  CHECK(shown("/docker/" + kId) == "docker 0123456789ab");
  CHECK(shown("/machine.slice/libpod-" + kId + ".scope/container") == "podman 0123456789ab");
  CHECK(shown("/elsewhere/" + kId) == "container 0123456789ab");
  CHECK(workload_of("/system.slice/docker-" + kId + ".scope").unit == "docker-" + kId + ".scope");
}

TEST_CASE("a cgroup names a pod") {
  const std::string wanted = "pod " + kUid + ", containerd 0123456789ab";
  CHECK(shown("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + kUidInSlice +
              ".slice/cri-containerd-" + kId + ".scope") == wanted);
  CHECK(shown("/kubepods/burstable/pod" + kUid + "/" + kId) ==
        "pod " + kUid + ", container 0123456789ab");
  CHECK(workload_of("/kubepods/pod" + kUid).pod == kUid);
}

TEST_CASE("names that only look so") {
  CHECK(shown("/docker/" + kId.substr(1)).empty());
  CHECK(shown("/docker/" + std::string(64, 'x')).empty());
  CHECK(shown("/.service/.scope").empty());
  CHECK(workload_of("/pod" + std::string(36, 'a')).pod.empty());
  CHECK(workload_of("/xpod" + kUid).pod.empty());
}
