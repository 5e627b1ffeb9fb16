// SPDX-License-Identifier: LGPL-2.1-or-later
// Who gets how much read ahead, with helpers that are scripts here: the worker has fetched at once
// what it may, a follower reports what the test has left for it.
#include "daemon/accelerator.h"

#include <sys/stat.h>

#include <csignal>
#include <fstream>
#include <map>
#include <vector>

#include "daemon/follow_protocol.h"
#include "daemon/loop.h"
#include "tests/catch.h"
#include "tests/unit/kernel_tree.h"

using namespace tuneshift;
using namespace tuneshift::test;

namespace {

constexpr uint64_t MiB = 1ULL << 20;
constexpr size_t parts = 1024;  // of a file of 600 MiB

// struct TaskPacket of daemon/prefetch_protocol.cpp has the start at 40, the budget at 64 and
// whether it is paced at 80, PermitPacket and ProgressPacket follow it.
constexpr char worker[] = R"(#!/usr/bin/env python3
import os, struct
def told(budget, paced):
    with open(os.path.dirname(__file__) + "/budgets", "a") as file:
        file.write(f"{inode} {budget} {paced}\n")
    os.write(0, struct.pack("<IIQQ32s256s", version, 0, min(budget, size), 0, b"test", b""))
task = os.read(0, 1024)
version, inode, size, start = struct.unpack_from("<I20xQQQ", task)
with open(os.path.dirname(__file__) + f"/start-{inode}", "w") as file:
    file.write(str(start))
told(struct.unpack_from("<Q", task, 64)[0], struct.unpack_from("<I", task, 80)[0])
while word := os.read(0, 64):
    paced, budget = struct.unpack("<4xIQ", word)
    told(budget, paced)
)";

// struct TaskPacket of daemon/follow_protocol.cpp has the process at 4. One that finds the file
// "fail-PID" ends at once, and the file with it.
constexpr char follower[] = R"(#!/usr/bin/env python3
import os, select, struct
pid = struct.unpack_from("<i", os.read(0, 1024), 4)[0]
folder = os.path.dirname(__file__)
with open(folder + f"/follower-{pid}", "w") as own:
    own.write(str(os.getpid()))
if os.path.exists(folder + f"/fail-{pid}"):
    os.unlink(folder + f"/fail-{pid}")
    os._exit(1)
with open(folder + f"/report-{pid}", "rb") as report:
    os.write(0, report.read())
select.select([0], [], [])
)";

std::string stalled(uint64_t us) {
  return "some avg10=0.00 avg60=0.00 avg300=0.00 total=" + std::to_string(us) + "\n";
}

class Machine {
 public:
  Machine() {
    for (const char* name : {"worker", "follower"}) {
      REQUIRE(chmod((tree_.root() + "/" + name).c_str(), 0700) == 0);
    }
  }

  Accelerator& accelerator() { return accelerator_; }
  KernelTree& tree() { return tree_; }

  /// A confirmed load by process 10 + `number` of a file of 600 MiB.
  static Accelerator::Subject load(unsigned number, uint64_t inode) {
    Accelerator::Subject subject;
    subject.reader = {{static_cast<pid_t>(10 + number), 1}, {8, 0, inode}};
    subject.question.confirmed = true;
    subject.question.mapped = true;
    subject.question.missed_bytes = MiB;
    subject.question.file_size = 600 * MiB;
    return subject;
  }

  /// What is heard of this reader once it is followed: these parts, and that it read so much.
  void leave_report(const Reader& reader, size_t first, size_t last, uint64_t read_bytes = 0) {
    FollowReport report;
    report.read_bytes = read_bytes;
    for (size_t part = first; part < last; ++part) report.coverage.set(part);
    tree_.add(file("report-" + std::to_string(reader.process.pid), format_follow_report(report)));
  }

  void start(Accelerator::Subject subject, bool mapped = true) {
    const Assistance decided = accelerator_.decide(subject);
    REQUIRE(decided.kind == Assistance::Kind::prefetch);
    subject.question.mapped = mapped;
    REQUIRE(accelerator_.start(subject, decided).ok());
  }

  /// Whether the reader has a follower, which has come so far as to say so.
  [[nodiscard]] bool has_follower(const Reader& reader) const {
    std::ifstream own(tree_.root() + "/follower-" + std::to_string(reader.process.pid));
    pid_t pid = 0;
    return own >> pid && kill(pid, 0) == 0;
  }

  template <typename Holds>
  void run_until(Holds holds) {
    while (!holds()) REQUIRE(sd_event_run(loop_.get(), 30'000'000) > 0);
  }

  /// The budget that the file's worker was told last; 0 as well before the first.
  [[nodiscard]] uint64_t told(uint64_t inode) const {
    std::ifstream budgets(tree_.root() + "/budgets");
    uint64_t last = 0;
    uint64_t of = 0;
    bool paced = false;
    for (uint64_t budget = 0; budgets >> of >> budget >> paced;) {
      if (of == inode) last = budget;
    }
    return last;
  }
  /// Whether it was told to space its requests the last time that it was told anything.
  [[nodiscard]] bool is_paced(uint64_t inode) const {
    std::ifstream budgets(tree_.root() + "/budgets");
    bool last = false;
    uint64_t of = 0;
    bool paced = false;
    for (uint64_t budget = 0; budgets >> of >> budget >> paced;) {
      if (of == inode) last = paced;
    }
    return last;
  }

  /// Where in the file its worker was told to begin, once it was told of a budget.
  [[nodiscard]] uint64_t start_of(uint64_t inode) const {
    std::ifstream starts(tree_.root() + "/start-" + std::to_string(inode));
    uint64_t start = UINT64_MAX;
    starts >> start;
    return start;
  }

  std::map<Reader, uint64_t> consumed;
  std::vector<Reader> free;
  uint64_t missed = MiB;  ///< by any reader itself

 private:
  static TreeEntry group_of(unsigned pid) {
    return file("proc/" + std::to_string(pid) + "/cgroup", "0::/\n");
  }

  // 1 GiB of head room: half of what is available.
  KernelTree tree_{file("proc/meminfo", "MemTotal: 16777216 kB\nMemAvailable: 2097152 kB\n"),
                   file("proc/self/cgroup", "0::/\n"),
                   file("sys/fs/cgroup/cgroup.controllers", "memory pids\n"),
                   group_of(11),
                   group_of(12),
                   file("worker", worker),
                   file("follower", follower)};
  KernelFs kernel_{tree_.open()};
  Loop loop_;
  Accelerator accelerator_{
      loop_,
      kernel_,
      {tree_.root() + "/worker", tree_.root() + "/follower"},
      {[this](const Reader&) { return missed; },
       [this](const Reader& reader, uint64_t bytes) { consumed[reader] = bytes; },
       [](const Reader&, const PrefetchProgress&) {},
       [this](const Reader& reader) { free.push_back(reader); }}};
};

}  // namespace

TEST_CASE("a worker is told whether others read from its store") {
  Machine machine;
  auto subject = Machine::load(1, 100);
  subject.question.shared = GENERATE(true, false);
  const bool shared = subject.question.shared;
  machine.leave_report(subject.reader, 0, 0);
  machine.start(subject);
  machine.run_until([&] { return machine.told(100) != 0; });
  CHECK(machine.is_paced(100) == shared);
  machine.accelerator().share(subject.reader, !shared);
  machine.run_until([&] { return machine.is_paced(100) != shared; });
  CHECK(machine.told(100) == 600 * MiB);
}

TEST_CASE("a worker begins where its reader is when that is far from where the file begins") {
  Machine machine;
  auto subject = Machine::load(1, 100);
  uint64_t start = 0;
  SECTION("by more than it has read") {
    subject.position_bytes = 503 * MiB + 4711;
    start = 500 * MiB;
  }
  SECTION("not when it came there in order") {
    subject.position_bytes = 20 * MiB;
  }
  SECTION("not behind its end") {
    subject.position_bytes = 600 * MiB;
  }
  machine.leave_report(subject.reader, 0, 0);
  machine.start(subject);
  machine.run_until([&] { return machine.told(100) != 0; });
  CHECK(machine.start_of(100) == start);
}

TEST_CASE("what was promised to one file is no head room for another", "[accelerator]") {
  Machine machine;
  Accelerator::Subject one = Machine::load(1, 100);
  Accelerator::Subject other = Machine::load(2, 200);
  machine.leave_report(one.reader, 0, parts);
  CHECK(machine.accelerator().decide(other).budget_bytes == 600 * MiB);
  machine.start(one);
  const uint64_t part = machine.accelerator().decide(other).budget_bytes;
  CHECK(part > MiB);
  CHECK(part <= 1 * MiB + 425 * MiB / 4);
  CHECK(other.question.head_room.limited_by.find("read ahead of others") != std::string::npos);
  // Used by its reader, it may be taken.
  machine.run_until([&] { return machine.consumed[one.reader] == 600 * MiB; });
  CHECK(machine.accelerator().decide(other).budget_bytes == 600 * MiB);
}

TEST_CASE("readers that map a part each add up to the file", "[accelerator]") {
  Machine machine;
  Accelerator::Subject one = Machine::load(1, 100);
  Accelerator::Subject other = Machine::load(2, 100);
  machine.leave_report(one.reader, 0, 600);
  machine.leave_report(other.reader, 500, parts);
  machine.start(one);
  machine.run_until([&] { return machine.consumed.contains(one.reader); });
  CHECK(machine.accelerator().join(other));
  machine.run_until([&] { return machine.consumed.contains(other.reader); });
  CHECK(machine.consumed[one.reader] == Coverage::bytes(600, 600 * MiB));
  CHECK(machine.consumed[other.reader] == Coverage::bytes(424, 600 * MiB));
  CHECK(machine.accelerator().follows(other.reader));
}

TEST_CASE("readers without a mapping add up to the file", "[accelerator]") {
  Machine machine;
  const Accelerator::Subject one = Machine::load(1, 100);
  Accelerator::Subject other = Machine::load(2, 100);
  other.question.mapped = false;
  machine.leave_report(one.reader, 0, 0, 300 * MiB);
  machine.leave_report(other.reader, 0, 0, 500 * MiB);
  machine.start(one, false);
  machine.run_until([&] { return machine.consumed[one.reader] == 301 * MiB; });
  CHECK(machine.accelerator().join(other));
  // What it missed itself came to it first as well.
  machine.run_until([&] { return machine.consumed[other.reader] == 1 * MiB + 200 * MiB; });
  CHECK(machine.consumed[one.reader] == 301 * MiB);
}

TEST_CASE("what a reader has missed and what it has read are the same bytes", "[accelerator]") {
  Machine machine;
  const Accelerator::Subject one = Machine::load(1, 100);
  machine.tree().set("proc/meminfo", "MemTotal: 16777216 kB\nMemAvailable: 614400 kB\n");
  // What it reads is heard of late.
  machine.tree().add(file("fail-11", ""));
  machine.leave_report(one.reader, 0, 0, 100 * MiB);
  machine.missed = 300 * MiB;
  machine.start(one, false);
  CHECK(machine.accelerator().consumed(one.reader) == 0);
  machine.run_until([&] { return machine.told(100) == 300 * MiB + 64 * MiB; });
  // What it was seen to read is told as such: neither more than it missed nor beside that.
  machine.run_until([&] { return machine.consumed.contains(one.reader); });
  CHECK(machine.consumed[one.reader] == 101 * MiB);
}

TEST_CASE("a follower that ends is started anew", "[accelerator]") {
  Machine machine;
  const Accelerator::Subject one = Machine::load(1, 100);
  machine.tree().add(file("fail-11", ""));
  machine.leave_report(one.reader, 0, 512);
  machine.start(one);
  machine.run_until([&] { return machine.consumed[one.reader] == 300 * MiB; });
}

TEST_CASE("a reader that has all of its file is followed no longer", "[accelerator]") {
  Machine machine;
  const Accelerator::Subject one = Machine::load(1, 100);
  const Accelerator::Subject other = Machine::load(2, 200);
  machine.leave_report(one.reader, 0, parts);
  machine.leave_report(other.reader, 0, parts - 1);
  machine.start(one);
  machine.start(other);
  machine.run_until([&] {
    return machine.consumed.contains(one.reader) && machine.consumed.contains(other.reader);
  });
  machine.run_until([&] { return !machine.has_follower(one.reader); });
  CHECK(machine.has_follower(other.reader));
}

TEST_CASE("the next reader of a file is told when the first has gone", "[accelerator]") {
  Machine machine;
  const Accelerator::Subject one = Machine::load(1, 100);
  const Accelerator::Subject other = Machine::load(2, 100);
  CHECK_FALSE(machine.accelerator().join(other));
  machine.start(one);
  REQUIRE(machine.accelerator().join(other));
  machine.accelerator().stop(one.reader);
  CHECK(machine.free == std::vector<Reader>{other.reader});
  CHECK_FALSE(machine.accelerator().follows(other.reader));
  // One that only shared it leaves the worker alone.
  machine.start(one);
  REQUIRE(machine.accelerator().join(other));
  machine.accelerator().stop(other.reader);
  CHECK(machine.free.size() == 1);
  CHECK(machine.accelerator().progress(one.reader) != nullptr);
}

TEST_CASE("the next reader of a file that is all there is only followed", "[accelerator]") {
  Machine machine;
  const Accelerator::Subject one = Machine::load(1, 100);
  const Accelerator::Subject other = Machine::load(2, 100);
  machine.leave_report(other.reader, 0, 512);
  machine.start(one);
  REQUIRE(machine.accelerator().join(other));
  machine.run_until([&] {
    const PrefetchProgress* progress = machine.accelerator().progress(one.reader);
    return progress != nullptr && progress->fetched_bytes == 600 * MiB;
  });
  machine.accelerator().stop(one.reader);
  CHECK(machine.free.empty());
  CHECK(machine.accelerator().follows(other.reader));
  CHECK(machine.accelerator().progress(other.reader) == nullptr);
  machine.run_until([&] { return machine.consumed[other.reader] == 300 * MiB; });
}

TEST_CASE("a suspect's worker may go on once a load reads the same file", "[accelerator]") {
  Machine machine;
  Accelerator::Subject suspect = Machine::load(1, 100);
  suspect.question.confirmed = false;
  machine.start(suspect);
  machine.run_until([&] {
    const PrefetchProgress* progress = machine.accelerator().progress(suspect.reader);
    return progress != nullptr && progress->fetched_bytes == suspect_budget_bytes;
  });
  CHECK(machine.accelerator().join(Machine::load(2, 100)));
  machine.run_until([&] { return machine.told(100) == 600 * MiB; });
}

TEST_CASE("of a reader that cannot be followed its misses tell", "[accelerator]") {
  Machine machine;
  machine.tree().remove("follower");
  machine.tree().set("proc/meminfo", "MemTotal: 16777216 kB\nMemAvailable: 614400 kB\n");
  const Accelerator::Subject one = Machine::load(1, 100);
  machine.start(one);
  machine.run_until([&] { return machine.told(100) == 1 * MiB + 64 * MiB; });
  machine.missed = 200 * MiB;
  machine.run_until([&] { return machine.told(100) == 200 * MiB + 64 * MiB; });
}

TEST_CASE("a reader that waits because of its own group's limit is read ahead of",
          "[accelerator]") {
  Machine machine;
  machine.tree().set("proc/11/cgroup", "0::/a\n");
  machine.tree().add(file("sys/fs/cgroup/a/memory.max", std::to_string(500 * MiB)));
  machine.tree().add(file("sys/fs/cgroup/a/memory.stat", "anon 0\n"));
  machine.tree().add(file("proc/pressure/memory", stalled(5)));
  machine.start(Machine::load(1, 100));
  uint64_t total = 5;
  for (const uint64_t missed : {100 * MiB, 200 * MiB, 300 * MiB}) {
    machine.missed = missed;
    machine.run_until([&] {
      machine.tree().set("proc/pressure/memory", stalled(total += 60'000'000));
      return machine.told(100) == missed + 64 * MiB;
    });
  }
}

TEST_CASE("nothing more is read ahead while processes wait for memory", "[accelerator]") {
  Machine machine;
  machine.tree().add(file("proc/pressure/memory", stalled(5)));
  machine.start(Machine::load(1, 100));
  machine.run_until([&] { return machine.told(100) == 600 * MiB; });
  uint64_t total = 5;
  machine.run_until([&] {
    machine.tree().set("proc/pressure/memory", stalled(total += 60'000'000));
    return machine.told(100) == 0;
  });
  // And goes on once they do not.
  machine.run_until([&] { return machine.told(100) == 600 * MiB; });
}
