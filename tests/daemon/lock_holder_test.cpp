// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/lock_holder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tests/catch.h"
#include "tests/unit/kernel_tree.h"

using namespace tuneshift;
using namespace tuneshift::test;

namespace {

/// A /proc in which process 812, of two threads, keeps the lock of `journal`.
struct Machine {
  KernelTree tree{file("journal", "")};
  std::string path = tree.root() + "/journal";

  Machine() {
    struct stat info {};
    REQUIRE(stat(path.c_str(), &info) == 0);
    char place[64];
    std::snprintf(place, sizeof place, "%02x:%02x:%llu", major(info.st_dev), minor(info.st_dev),
                  static_cast<unsigned long long>(info.st_ino));
    tree.add(file("proc/locks", "1: POSIX  ADVISORY  WRITE 5 " + std::string(place) +
                                    " 0 EOF\n2: FLOCK  ADVISORY  WRITE 6 00:01:2 0 EOF\n"
                                    "3: FLOCK  ADVISORY  WRITE 812 " +
                                    place + " 0 EOF\n3: -> FLOCK  ADVISORY  WRITE 9 " + place +
                                    " 0 EOF\n"));
    thread("812", 'S', 0x400100, 0);
    thread("813", 'D', 0x400040, 0);
  }
  void thread(const std::string& id, char state, unsigned flags, unsigned pending) {
    const std::string task = "proc/812/task/" + id;
    tree.add(file(task + "/stat", id + " (a) Z (b) " + state + " 1 812 812 0 -1 " +
                                      std::to_string(flags) + " 0 0\n"));
    char mask[32];
    std::snprintf(mask, sizeof mask, "%016x", pending);
    tree.add(file(task + "/status", "Name:\ta\nSigQ:\t0/1\nSigPnd:\t" + std::string(mask) +
                                        "\nShdPnd:\t0000000000000000\n"));
  }
  [[nodiscard]] std::optional<LockHolder> find() const {
    const KernelFs kernel = tree.open();
    return find_lock_holder(kernel, path);
  }
};

}  // namespace

TEST_CASE("the process that keeps a lock is found by its file", "[lock_holder]") {
  Machine machine;
  REQUIRE(machine.find());
  CHECK(machine.find()->pid == 812);
  CHECK_FALSE(machine.find()->dying);
  machine.tree.add(file("proc/locks", "1: POSIX  ADVISORY  WRITE 5 00:01:2 0 EOF\n"));
  CHECK_FALSE(machine.find());
}

TEST_CASE("a process is dying when each of its threads is", "[lock_holder]") {
  Machine machine;
  machine.thread("812", 'Z', 0x40010c, 0);
  CHECK_FALSE(machine.find()->dying);  // its main thread has ended, as any program's may
  machine.thread("813", 'D', 0x400040, 0x100);
  CHECK(machine.find()->dying);
  machine.thread("813", 'D', 0x400040, 0x4000);  // SIGTERM alone
  CHECK_FALSE(machine.find()->dying);
  machine.thread("813", 'R', 0x400044, 0);
  CHECK(machine.find()->dying);
}

TEST_CASE("the settings that it has open are named as knobs are", "[lock_holder]") {
  Machine machine;
  const std::string descriptors = machine.tree.root() + "/proc/812/task/813/fd";
  machine.tree.add(file("proc/812/task/813/fd/.keep", ""));
  for (const auto& [number, target] :
       {std::pair{"4", "/sys/devices/virtual/block/loop0/queue/scheduler"},
        {"5", "/sys/devices/pci0000:00/0000:00:04.0/nvme/nvme0/nvme0n1/queue/wbt_lat_usec"},
        {"6", "/sys/devices/virtual/bdi/0:44/read_ahead_kb"},
        {"7", "/run/tuneshift/journal"}}) {
    REQUIRE(symlink(target, (descriptors + "/" + number).c_str()) == 0);
  }
  CHECK(machine.find()->settings == std::vector<std::string>{"sys/block/loop0/queue/scheduler",
                                                             "sys/block/nvme0n1/queue/wbt_lat_usec",
                                                             "sys/class/bdi/0:44/read_ahead_kb"});
}

TEST_CASE("on the real machine it is this process", "[lock_holder]") {
  const KernelTree tree{file("journal", "")};
  const std::string path = tree.root() + "/journal";
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  REQUIRE(flock(fd, LOCK_EX | LOCK_NB) == 0);
  const auto kernel = KernelFs::open("/");
  REQUIRE(kernel);
  const auto holder = find_lock_holder(kernel.value(), path);
  REQUIRE(holder);
  CHECK(holder->pid == getpid());
  CHECK_FALSE(holder->dying);
  close(fd);
  CHECK_FALSE(find_lock_holder(kernel.value(), path));
}
