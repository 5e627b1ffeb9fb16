// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/head_room.h"

#include "tests/catch.h"
#include "tests/unit/kernel_tree.h"

using namespace tuneshift;
using test::file;
using test::KernelTree;

namespace {

constexpr uint64_t MiB = 1ULL << 20;
constexpr pid_t kPid = 42;

/// A machine with 8 GiB to give away, of which a prefetch gets half, and the groups of process 42.
/// `controllers` tells where cgroup v2 is.
KernelTree machine(const std::string& groups, const std::string& controllers) {
  return KernelTree{file("proc/meminfo", "MemTotal: 16777216 kB\nMemAvailable:    8388608 kB\n"),
                    file("proc/42/cgroup", groups), file("proc/self/cgroup", "0::/\n"),
                    file(controllers, "cpu io memory pids\n")};
}

KernelTree machine_v1(const std::string& groups) {
  return machine(groups, "sys/fs/cgroup/unified/cgroup.controllers");
}

KernelTree machine_v2(const std::string& group) {
  return machine("0::" + group + "\n", "sys/fs/cgroup/cgroup.controllers");
}

std::string stat_v2(uint64_t anon, uint64_t shmem = 0) {
  return "anon " + std::to_string(anon * MiB) + "\nfile 1\nkernel 0\nshmem " +
         std::to_string(shmem * MiB) + "\nunevictable 0\nfile_dirty 0\nslab_reclaimable 0\n";
}

HeadRoom room_of(const KernelTree& tree) {
  return read_head_room(tree.open(), kPid);
}

}  // namespace

TEST_CASE("without a limit half of the available memory is head room", "[head_room]") {
  const HeadRoom room = room_of(machine_v2("/"));
  CHECK(room.bytes == 4096 * MiB);
  CHECK(room.limited_by == "half of the machine's available memory");
  CHECK(room.account_to_reader);
  CHECK(room.account_reason.empty());
}

TEST_CASE("no limit is one in every form", "[head_room]") {
  KernelTree tree = machine_v2("/a");
  SECTION("max") {
    tree.add(file("sys/fs/cgroup/a/memory.max", "max\n"));
    tree.add(file("sys/fs/cgroup/a/memory.high", "max\n"));
  }
  SECTION("no controller in the group") {
    tree.add(file("sys/fs/cgroup/a/cgroup.procs", "42\n"));
  }
  SECTION("a hierarchy that is not mounted") {
    tree.remove("sys/fs/cgroup");
  }
  SECTION("a kernel without cgroups") {
    tree.remove("proc/42/cgroup");
  }
  SECTION("v1's largest number") {
    tree.set("proc/42/cgroup", "4:memory:/a\n0::/a\n");
    tree.add(file("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "9223372036854771712\n"));
  }
  SECTION("v1's largest number with pages of 64 KiB") {
    tree.set("proc/42/cgroup", "4:memory:/a\n0::/a\n");
    tree.add(file("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "9223372036854710272\n"));
  }
  CHECK(room_of(tree).bytes == 4096 * MiB);
}

TEST_CASE("what the kernel cannot drop is taken from a limit", "[head_room]") {
  KernelTree tree = machine_v2("/a");
  tree.add(file("sys/fs/cgroup/a/memory.max", std::to_string(1000 * MiB)));
  const auto with = [&](const std::string& more) {
    tree.add(file("sys/fs/cgroup/a/memory.stat", "anon 104857600\nfile 943718400\n" + more));
    return room_of(tree).bytes / MiB;
  };
  CHECK(with("") == 900);
  CHECK(with("shmem 52428800\n") == 850);
  CHECK(with("unevictable 10485760\n") == 890);
  CHECK(with("kernel 31457280\nslab_reclaimable 20971520\n") == 890);
  CHECK(with("file_dirty 10485760\nfile_writeback 10485760\n") == 880);
  CHECK(with("sock 10485760\n") == 890);
  CHECK(with("shmem_thp 1048576\nshmem 52428800\n") == 850);
  CHECK(with("shmem 943718400\n") == 0);
  CHECK(with("shmem 9223372036854775807\nunevictable 9223372036854775807\nsock 99\n") == 0);
}

TEST_CASE("a group full of shared memory has no head room", "[head_room]") {
  KernelTree tree = machine_v2("/a");
  tree.add(file("sys/fs/cgroup/a/memory.max", std::to_string(300 * MiB)));
  tree.add(file("sys/fs/cgroup/a/memory.stat", stat_v2(0, 299)));
  const HeadRoom room = room_of(tree);
  CHECK(room.bytes == MiB);
  CHECK(room.limited_by == "memory.max of /a");
}

TEST_CASE("the tightest limit of all levels counts", "[head_room]") {
  KernelTree tree = machine_v2("/a/b/c");
  tree.add(file("sys/fs/cgroup/a/b/c/memory.max", std::to_string(800 * MiB)));
  tree.add(file("sys/fs/cgroup/a/b/c/memory.stat", stat_v2(100)));
  CHECK(room_of(tree).bytes == 700 * MiB);

  tree.add(file("sys/fs/cgroup/a/b/c/memory.high", std::to_string(700 * MiB)));
  CHECK(room_of(tree).bytes == 600 * MiB);
  CHECK(room_of(tree).limited_by == "memory.high of /a/b/c");

  tree.set("sys/fs/cgroup/a/b/c/memory.high", std::to_string(900 * MiB));
  CHECK(room_of(tree).limited_by == "memory.max of /a/b/c");

  tree.add(file("sys/fs/cgroup/a/memory.max", std::to_string(2000 * MiB)));
  tree.add(file("sys/fs/cgroup/a/memory.stat", stat_v2(1900)));
  CHECK(room_of(tree).bytes == 100 * MiB);
  CHECK(room_of(tree).limited_by == "memory.max of /a");

  tree.set("proc/meminfo", "MemAvailable: 102400 kB\n");
  CHECK(room_of(tree).bytes == 50 * MiB);
}

TEST_CASE("a limit that others have no part in is told apart where it counts", "[head_room]") {
  KernelTree tree = machine_v2("/a/b");
  CHECK_FALSE(room_of(tree).of_own_group);
  tree.add(file("sys/fs/cgroup/a/b/memory.max", std::to_string(800 * MiB)));
  tree.add(file("sys/fs/cgroup/a/b/memory.stat", stat_v2(100)));
  CHECK(room_of(tree).of_own_group);

  SECTION("its siblings have part in the limit of the group above") {
    tree.add(file("sys/fs/cgroup/a/memory.max", std::to_string(700 * MiB)));
    tree.add(file("sys/fs/cgroup/a/memory.stat", stat_v2(100)));
    CHECK_FALSE(room_of(tree).of_own_group);
  }
  SECTION("all have part in the machine's memory") {
    tree.set("proc/meminfo", "MemAvailable: 102400 kB\n");
    CHECK_FALSE(room_of(tree).of_own_group);
  }
  SECTION("what the daemon is charged is not below that limit") {
    CHECK_FALSE(read_head_room(tree.open(), kPid, true).of_own_group);
    tree.add(file("sys/fs/cgroup/a/b/memory.oom.group", "1\n"));
    CHECK_FALSE(room_of(tree).of_own_group);
  }
}

TEST_CASE("v1: the figures of the whole hierarchy count", "[head_room]") {
  KernelTree tree = machine_v1("4:hugetlb,memory:/a/b\n3:cpu,cpuacct:/elsewhere\n0::/elsewhere\n");
  tree.add(file("sys/fs/cgroup/memory/a/memory.limit_in_bytes", std::to_string(1000 * MiB)));
  tree.add(file("sys/fs/cgroup/memory/a/memory.stat",
                "rss 0\nhierarchical_memory_limit 1048576000\ntotal_rss 104857600\n"
                "total_shmem 52428800\ntotal_unevictable 10485760\ntotal_dirty 1048576\n"
                "total_writeback 1048576\n"));
  CHECK(room_of(tree).bytes == 838 * MiB);
  tree.add(file("sys/fs/cgroup/memory/a/memory.kmem.usage_in_bytes", std::to_string(8 * MiB)));
  CHECK(room_of(tree).bytes == 830 * MiB);
  CHECK(room_of(tree).limited_by == "memory.limit_in_bytes of /a");
}

TEST_CASE("a machine with both: each controller is looked for where it is", "[head_room]") {
  KernelTree tree = machine_v1("5:pids:/p\n0::/b\n");
  tree.add(file("sys/fs/cgroup/unified/b/memory.max", std::to_string(100 * MiB)));
  tree.add(file("sys/fs/cgroup/unified/b/memory.stat", stat_v2(40)));
  tree.add(file("sys/fs/cgroup/pids/p/pids.max", "10\n"));
  tree.add(file("sys/fs/cgroup/pids/p/pids.current", "3\n"));
  const HeadRoom room = room_of(tree);
  CHECK(room.bytes == 60 * MiB);
  CHECK_FALSE(room.account_to_reader);
  CHECK(room.account_reason == "/p has room for 7 more processes");
}

TEST_CASE("a limit that cannot be computed leaves nothing", "[head_room]") {
  KernelTree tree = machine_v2("/a");
  tree.add(file("sys/fs/cgroup/a/memory.max", std::to_string(100 * MiB)));
  SECTION("no memory.stat") {
    CHECK(room_of(tree).limited_by ==
          "open sys/fs/cgroup/a/memory.stat: No such file or directory");
  }
  SECTION("another memory.stat") {
    tree.add(file("sys/fs/cgroup/a/memory.stat", "anonymous 5\nanon x\n"));
    CHECK(room_of(tree).limited_by == "sys/fs/cgroup/a/memory.stat tells no anonymous memory");
  }
  SECTION("no number") {
    tree.set("sys/fs/cgroup/a/memory.max", "99999999999999999999\n");
    CHECK(room_of(tree).limited_by == "sys/fs/cgroup/a/memory.max is no number");
  }
  SECTION("a negative one") {
    tree.set("sys/fs/cgroup/a/memory.max", "-1\n");
  }
  SECTION("not to be read") {
    tree.remove("sys/fs/cgroup/a/memory.max");
    tree.add(test::directory("sys/fs/cgroup/a/memory.max"));
    CHECK(room_of(tree).limited_by == "read sys/fs/cgroup/a/memory.max: Is a directory");
  }
  SECTION("no MemAvailable") {
    tree.remove("sys/fs/cgroup/a/memory.max");
    tree.set("proc/meminfo", "MemTotal: 5 kB\n");
    CHECK(room_of(tree).limited_by == "proc/meminfo has no line MemAvailable:");
  }
  CHECK(room_of(tree).bytes == 0);
}

TEST_CASE("hostile names of control groups", "[head_room]") {
  KernelTree tree = machine_v2("/");
  const auto with = [&](const std::string& group) {
    tree.set("proc/42/cgroup", "0::" + group + "\n");
    return room_of(tree);
  };
  for (const char* outside : {"/..", "/../..", "/a/../b", "/a/.."}) {
    const HeadRoom room = with(outside);
    CAPTURE(outside, room.limited_by);
    CHECK(room.bytes == 0);
    CHECK(room.limited_by == "its control group is outside the namespace that it is seen from");
    CHECK_FALSE(room.account_to_reader);
    CHECK(room.account_reason == room.limited_by);
  }
  tree.set("proc/42/cgroup", "5:pids:/\n4:memory:/..\n0::/\n");
  CHECK_FALSE(room_of(tree).account_to_reader);

  CHECK(with("").bytes == 0);
  CHECK(with("a").bytes == 0);
  CHECK(with("/" + std::string(5000, 'a')).bytes == 0);

  std::string deep;
  for (int i = 0; i < 32; ++i) deep += "/d";
  CHECK(with(deep).bytes == 4096 * MiB);
  CHECK(with(deep + "/d").bytes == 0);

  CHECK(with("/gone (deleted)").bytes == 4096 * MiB);
  CHECK(with("//a/./b/...").bytes == 4096 * MiB);

  tree.add(file("sys/fs/cgroup/0::\x1b[2J:memory:/memory.max", "5\n"));
  tree.add(file("sys/fs/cgroup/0::\x1b[2J:memory:/memory.stat", stat_v2(0)));
  CHECK(with("/0::\x1b[2J:memory:").limited_by == "memory.max of /0::\\x1b[2J:memory:");
}

TEST_CASE("a group that dies as a whole is not joined", "[head_room]") {
  KernelTree tree = machine_v2("/pod/container");
  tree.add(file("sys/fs/cgroup/pod/container/memory.oom.group", "0\n"));
  CHECK(room_of(tree).account_to_reader);
  tree.set("sys/fs/cgroup/pod/container/memory.oom.group", "1\n");
  CHECK(room_of(tree).account_reason == "memory.oom.group of /pod/container is set");
  tree.set("sys/fs/cgroup/pod/container/memory.oom.group", "0\n");
  tree.add(file("sys/fs/cgroup/pod/memory.oom.group", "1\n"));
  const HeadRoom room = room_of(tree);
  CHECK_FALSE(room.account_to_reader);
  CHECK(room.account_reason == "memory.oom.group of /pod is set");
  tree.set("sys/fs/cgroup/pod/container/memory.oom.group", "1\n");
  CHECK(room_of(tree).account_reason == "memory.oom.group of /pod/container is set");
}

TEST_CASE("what the daemon fetches counts in its own group", "[head_room]") {
  KernelTree tree = machine_v2("/pod");
  tree.set("proc/self/cgroup", "0::/tuneshift.service\n");
  tree.add(file("sys/fs/cgroup/tuneshift.service/memory.max", std::to_string(100 * MiB)));
  tree.add(file("sys/fs/cgroup/tuneshift.service/memory.stat", stat_v2(10)));
  CHECK(room_of(tree).bytes == 4096 * MiB);
  tree.add(file("sys/fs/cgroup/pod/memory.oom.group", "1\n"));
  CHECK(room_of(tree).bytes == 90 * MiB);
  CHECK(room_of(tree).limited_by == "memory.max of /tuneshift.service");
}

TEST_CASE("a group that is short of processes is not joined", "[head_room]") {
  KernelTree tree = machine_v2("/a/b");
  tree.add(file("sys/fs/cgroup/a/b/pids.max", "max\n"));
  tree.add(file("sys/fs/cgroup/a/pids.max", "100\n"));
  tree.add(file("sys/fs/cgroup/a/pids.current", "92\n"));
  CHECK(room_of(tree).account_to_reader);
  tree.set("sys/fs/cgroup/a/pids.current", "93\n");
  CHECK(room_of(tree).account_reason == "/a has room for 7 more processes");
  tree.set("sys/fs/cgroup/a/pids.current", "200\n");
  CHECK(room_of(tree).account_reason == "/a has room for 0 more processes");
  tree.remove("sys/fs/cgroup/a/pids.current");
  CHECK(room_of(tree).account_reason == "sys/fs/cgroup/a/pids.current can't be read");
  CHECK(room_of(tree).bytes == 4096 * MiB);
}
