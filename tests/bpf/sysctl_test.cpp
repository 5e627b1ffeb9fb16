// SPDX-License-Identifier: LGPL-2.1-or-later
// Who writes a sysctl. The domain name of a UTS namespace of its own is what the tests write.
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <thread>
#include <vector>

#include "daemon/probes.h"
#include "tests/bpf/cold_file.h"
#include "tests/bpf/reader_process.h"
#include "tests/catch.h"

using namespace tuneshift;
using namespace tuneshift::test;

namespace {

constexpr char domain_name[] = "/proc/sys/kernel/domainname";
constexpr char backlog[] = "/proc/sys/net/core/somaxconn";
constexpr uint64_t floor_bytes = 64 << 20;
constexpr uid_t nobody = 65534;

bool write_text(const char* path, std::string_view text) {
  const UniqueFd fd(open(path, O_WRONLY | O_CLOEXEC));
  return fd && write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

bool write_name(std::string_view name) {
  return write_text(domain_name, name);
}

bool read_name() {
  char byte = 0;
  const UniqueFd fd(open(domain_name, O_RDONLY | O_CLOEXEC));
  return fd && read(fd.get(), &byte, 1) == 1;
}

class SysctlProbes {
 public:
  SysctlProbes()
      : probes_(
            {.size_floor_bytes = floor_bytes, .selftest_directory = "/var/tmp"},
            [](const Event&) {}, [this](const SysctlWrite& write) { writes_.push_back(write); }) {}

  /// Those of one process: others write sysctls at the same time.
  std::vector<SysctlWrite> of(pid_t pid) {
    probes_.dispatch();
    std::vector<SysctlWrite> found;
    std::copy_if(writes_.begin(), writes_.end(), std::back_inserter(found),
                 [pid](const SysctlWrite& write) { return write.process.pid == pid; });
    return found;
  }
  [[nodiscard]] const std::map<std::string, SignalState>& signals() const {
    return probes_.signals();
  }

 private:
  std::vector<SysctlWrite> writes_;
  Probes probes_;
};

}  // namespace

TEST_CASE("a sysctl write is told with its writer and its name, a read is not") {
  SysctlProbes watch;
  CAPTURE(watch.signals().at("sysctl_writes").why);
  REQUIRE(watch.signals().at("sysctl_writes").tier == Tier::ok);
  ReaderProcess writer([] {
    return unshare(CLONE_NEWUTS) == 0 && read_name() && write_name("told") && read_name();
  });
  REQUIRE(writer.finish());
  const std::vector<SysctlWrite> writes = watch.of(writer.pid());
  REQUIRE(writes.size() == 1);
  CHECK(writes[0].name == "kernel.domainname");
  CHECK(writes[0].command == "bpf_tests");
  CHECK(writes[0].process.start_ns > 0);
}

TEST_CASE("the daemon's own sysctl writes are not told") {
  SysctlProbes watch;
  bool written = false;
  // A namespace of the thread's own, that ends with it.
  std::thread([&] { written = unshare(CLONE_NEWUTS) == 0 && write_name("own"); }).join();
  REQUIRE(written);
  CHECK(watch.of(getpid()).empty());
}

TEST_CASE("what a user's own namespace holds is not told") {
  SysctlProbes watch;
  ReaderProcess writer([] {
    return setresuid(nobody, nobody, nobody) == 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 &&
           write_text(backlog, "99");
  });
  if (!writer.finish()) {
    WARN("needs namespaces of users");
    return;
  }
  CHECK(watch.of(writer.pid()).empty());
}

TEST_CASE("writes that found no room are told without a name, once") {
  SysctlProbes watch;
  ReaderProcess writer([] {
    if (unshare(CLONE_NEWUTS) != 0) return false;
    for (int i = 0; i < 1000; ++i)
      if (!write_name("much")) return false;
    return true;
  });
  REQUIRE(writer.finish());
  const size_t told = watch.of(writer.pid()).size();
  CHECK(told > 50);
  CHECK(told < 1000);
  CHECK(watch.of(0).size() == 1);
  CHECK(watch.of(0).size() == 1);
}

TEST_CASE("without cgroup v2 that one signal is absent") {
  const ScratchDirectory root;
  std::filesystem::create_directories(root.path() + "/sys/fs/cgroup");
  const Probes probes({.size_floor_bytes = floor_bytes,
                       .selftest_directory = root.path(),
                       .kernel_root = root.path()},
                      [](const Event&) {});
  CHECK(probes.signals().at("sysctl_writes").tier == Tier::absent);
  CHECK(probes.signals().at("sysctl_writes").why == "no cgroup v2 hierarchy is mounted");
  CHECK(probes.signals().at("latency").tier == Tier::ok);
}
