// SPDX-License-Identifier: LGPL-2.1-or-later
// On whose account a worker reads.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "daemon/prefetch/control_group.h"
#include "tests/bpf/cold_file.h"
#include "tests/catch.h"
#include "tests/prefetch/fetching.h"

using namespace tuneshift;
using namespace tuneshift::testing;

namespace {

std::vector<std::string> groups_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/cgroup");
  return charged_groups(std::string(std::istreambuf_iterator<char>(file), {}));
}

// A control group below this process's own, in the first hierarchy that charges.
class Group {
 public:
  Group() : path_("/sys/fs/cgroup/" + groups_of(getpid()).at(0) + "/tuneshift-prefetch-test") {
    std::filesystem::create_directory(path_);
  }
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;
  ~Group() { rmdir(path_.c_str()); }
  [[nodiscard]] bool enter() const {
    std::ofstream procs(path_ + "/cgroup.procs");
    procs << getpid();
    return bool(procs.flush());
  }

 private:
  std::string path_;
};

}  // namespace

TEST_CASE("the groups that are charged are memory's and blkio's, or the unified one") {
  using Groups = std::vector<std::string>;
  CHECK(charged_groups("9:name=systemd:/\n7:blkio:/a\n4:memory:/b:c/d\n1:cpu:/\n0::/e\n") ==
        Groups{"blkio/a", "memory/b:c/d"});
  CHECK(charged_groups("5:cpu,memory:/a\n") == Groups{"cpu,memory/a"});
  CHECK(charged_groups("0::/kubepods/pod1\n") == Groups{"./kubepods/pod1"});
  CHECK(charged_groups("0::/../../elsewhere\n").empty());
  CHECK(charged_groups("4:memory:/..\n0::/\n").empty());
  CHECK(charged_groups("").empty());
  CHECK(charged_groups("memory").empty());
}

TEST_CASE("a group that cannot be joined is an error") {
  test::ScratchDirectory empty;
  const int root = open(empty.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  CHECK_FALSE(join_groups(root, {"memory/a"}).ok());
  CHECK_FALSE(join_groups(root, {}).ok());
  close(root);
}

TEST_CASE("a worker reads on its reader's account, or on the daemon's") {
  test::ScratchDirectory directory;
  const test::ColdFile file(directory, 4 * mib);
  const Group group;
  Process reader([&] { return group.enter() && open(file.path().c_str(), O_RDONLY) >= 0; });
  REQUIRE(groups_of(reader.pid()) != groups_of(getpid()));
  Fetching fetching;
  PrefetchOrder order = order_for(reader, file.path());
  const bool on_reader = GENERATE(true, false);
  order.account = on_reader ? PrefetchOrder::Account::reader : PrefetchOrder::Account::daemon;
  REQUIRE(fetching.prefetcher().start(order, {mib}).ok());
  fetching.wait_for(order.reader.file, mib);
  const pid_t worker = worker_pid();
  REQUIRE(worker > 0);
  CHECK(groups_of(worker) == groups_of(on_reader ? reader.pid() : getpid()));
  fetching.prefetcher().allow(order.reader.file, {all_bytes});
  fetching.end_of(order.reader.file);
  // Reaped: its group can go.
  fetching.run_until([&] { return kill(worker, 0) != 0; });
}
