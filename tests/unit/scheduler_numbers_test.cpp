// SPDX-License-Identifier: LGPL-2.1-or-later
// The numbers under queue/iosched: gone with their scheduler, back with the kernel's defaults.
#include <cerrno>

#include "libtune/applier.h"
#include "libtune/profile_file.h"
#include "tests/catch.h"
#include "tests/unit/applier_rig.h"

using namespace tuneshift;
using namespace tuneshift::test;

namespace {

const std::string kScheduler = kVda + "scheduler";
const std::string kReadExpire = kVda + "iosched/read_expire";
const std::string kDepth = kVda + "iosched/async_depth";
const std::string kName = "block/vda/queue/scheduler";

/// An administrator's numbers under mq-deadline.
struct SchedulerRig : Rig {
  SchedulerRig() {
    tree.add(file(kReadExpire, "77\n"));
    tree.add(file(kDepth, "9\n"));
    before = tree.snapshot();
    kernel.on_write(kScheduler, [this](const std::string&, const std::string& value) {
      kernel.put(kVda + "nr_requests", "256\n");
      take_scheduler(value);
    });
    kernel.on_write(kVda + "nr_requests", [this](const std::string&, const std::string& value) {
      if (kernel.exists(kDepth)) kernel.put(kDepth, depth_of(value));
    });
  }

  static std::string depth_of(const std::string& requests) {
    return std::to_string(std::stoi(requests) * 3 / 4) + "\n";
  }

  void take_scheduler(const std::string& value) {
    tree.remove(kVda + "iosched");
    if (value == "mq-deadline") {
      tree.add(file(kReadExpire, "500\n"));
      tree.add(file(kDepth, depth_of(shown(kVda + "nr_requests"))));
    } else if (value == "kyber") {
      tree.add(file(kVda + "iosched/read_lat_nsec", "2000000\n"));
    }
  }

  Receipt switch_to(const std::string& scheduler) {
    return converge({{kName, want(exactly(scheduler))}});
  }

  [[nodiscard]] bool is_as_before() const { return tree.snapshot() == before; }
};

}  // namespace

TEST_CASE("a scheduler's numbers are back when it is") {
  SchedulerRig rig;
  rig.switch_to("none");
  CHECK_FALSE(rig.kernel.exists(kReadExpire));
  rig.switch_to("kyber");
  CHECK(rig.applier->verify({{"", "somebody"}}).empty());
  CHECK(rig.applier->forget_gone().empty());
  CHECK(rig.applier->plan({}).size() == 1);
  rig.converge({});
  CHECK(rig.is_as_before());
  CHECK(rig.journal->read().entries.empty());
  CHECK(rig.applier->knobs().empty());
}

TEST_CASE("a scheduler's numbers outlive the process that changed it") {
  SchedulerRig rig;
  rig.switch_to("none");
  rig.start();
  rig.applier->restore_all();
  CHECK(rig.is_as_before());
  CHECK(rig.journal->read().entries.empty());
}

TEST_CASE("a scheduler's numbers come back behind one that was back already") {
  SchedulerRig rig;
  rig.switch_to("none");
  // Killed between the write that put it back and its record.
  rig.kernel.put(kScheduler, "none [mq-deadline] kyber \n");
  rig.take_scheduler("mq-deadline");
  rig.start();
  rig.applier->restore_all();
  CHECK(rig.is_as_before());
  CHECK(rig.journal->read().entries.empty());
}

TEST_CASE("a scheduler that cannot be changed keeps its numbers") {
  SchedulerRig rig;
  rig.kernel.fail_writes(kScheduler, EIO);
  rig.switch_to("none");
  CHECK(rig.is_as_before());
  CHECK(rig.journal->read().entries.empty());
  // One that is stuck keeps them for later.
  rig.kernel.fail_writes(kScheduler, 0);
  rig.switch_to("none");
  rig.kernel.fail_writes(kScheduler, EIO);
  rig.converge({});
  rig.start();
  const std::string told = summary(rig.applier->restore_all());
  CHECK(told.find("failed block/vda/queue/iosched/async_depth 9 -> 9") != std::string::npos);
  CHECK(told.find("failed block/vda/queue/iosched/read_expire 77 -> 77") != std::string::npos);
  CHECK_FALSE(rig.is_as_before());
  rig.kernel.fail_writes(kScheduler, 0);
  rig.applier->restore_all();
  CHECK(rig.is_as_before());
}

TEST_CASE("a scheduler that is put back unseen leaves its numbers to the next process") {
  SchedulerRig rig;
  rig.switch_to("none");
  rig.start();
  rig.kernel.on_write(kScheduler, [&rig](const std::string&, const std::string& value) {
    rig.take_scheduler(value);
    rig.kernel.fail_reads(kScheduler, ENOSPC);
  });
  rig.applier->restore_all();
  rig.kernel.fail_reads(kScheduler, 0);
  rig.start();
  rig.applier->restore_all();
  CHECK(rig.is_as_before());
  CHECK(rig.journal->read().entries.empty());
}

TEST_CASE("what went back unseen is not somebody else's") {
  SchedulerRig rig;
  rig.switch_to("none");
  rig.kernel.on_write(kScheduler, [&rig](const std::string&, const std::string& value) {
    rig.take_scheduler(value);
    if (value == "mq-deadline") rig.kernel.fail_reads(kScheduler, EIO);
  });
  rig.converge({});
  rig.kernel.fail_reads(kScheduler, 0);
  CHECK(summary(rig.switch_to("kyber")) == "written " + kName + " mq-deadline -> kyber\n");
  rig.converge({});
  rig.kernel.fail_reads(kScheduler, 0);
  rig.converge({});
  CHECK(rig.is_as_before());
  CHECK(rig.journal->read().entries.empty());
}

TEST_CASE("a number that is somebody else's outlives their scheduler's absence") {
  SchedulerRig rig;
  rig.switch_to("none");
  rig.kernel.put(kScheduler, "none [mq-deadline] kyber \n");
  rig.take_scheduler("mq-deadline");
  rig.tree.set(kReadExpire, "250\n");
  rig.converge({});
  rig.switch_to("none");
  rig.converge({});
  CHECK(rig.tree.text(kReadExpire) == "250\n");
  rig.switch_to("none");
  rig.start();
  rig.applier->restore_all();
  CHECK(rig.tree.text(kReadExpire) == "250\n");
  CHECK(rig.tree.text(kDepth) == "9\n");
}

TEST_CASE("the numbers of somebody else's scheduler are theirs") {
  SchedulerRig rig;
  rig.switch_to("none");
  rig.kernel.put(kScheduler, "none [mq-deadline] kyber \n");
  rig.take_scheduler("mq-deadline");
  rig.tree.set(kReadExpire, "250\n");
  // Which is the original: nothing of ours is left but the numbers that the kernel chose.
  CHECK(summary(rig.converge({})) ==
        "restored block/vda/queue/iosched/async_depth 48 -> 9\n"
        "yielded block/vda/queue/iosched/read_expire 77 -> 250\n");
  CHECK(rig.shown(kReadExpire) == "250");
  rig.start();
  rig.applier->restore_all();
  CHECK(rig.shown(kReadExpire) == "250");
}

TEST_CASE("the numbers of a scheduler that is another by now are lost with it") {
  SchedulerRig rig;
  rig.switch_to("none");
  rig.stop();
  rig.kernel.put(kScheduler, "none mq-deadline [kyber] \n");
  rig.take_scheduler("kyber");
  rig.start();
  const std::string told = summary(rig.applier->restore_all());
  CHECK(told.find("absent block/vda/queue/iosched/read_expire") != std::string::npos);
  CHECK(rig.shown(kScheduler) == "none mq-deadline [kyber] ");
  CHECK(rig.shown(kVda + "iosched/read_lat_nsec") == "2000000");
  CHECK_FALSE(rig.kernel.exists(kReadExpire));
}

TEST_CASE("what the number of requests moves of the scheduler's is put back at once") {
  SchedulerRig rig;
  rig.converge({{"block/vda/queue/nr_requests", want(exactly("512"))}});
  CHECK(rig.shown(kDepth) == "9");
  rig.converge({});
  CHECK(rig.is_as_before());
  // With the scheduler changed as well, in either order of the two.
  rig.converge(
      {{"block/vda/queue/nr_requests", want(exactly("512"))}, {kName, want(exactly("none"))}});
  CHECK(rig.shown(kVda + "nr_requests") == "512");
  rig.converge({});
  CHECK(rig.is_as_before());
  CHECK(rig.journal->read().entries.empty());
}

TEST_CASE("no profile sets what is kept") {
  Diagnostics mistakes;
  parse_profile_file("block:\n  queue/iosched/read_expire: 50\n", "x.yaml", "x.yaml", mistakes);
  REQUIRE(mistakes.size() == 1);
  CHECK(to_string(mistakes[0]) ==
        "x.yaml:2:3: 'queue/iosched/read_expire' is kept as it is: no profile sets it");
}
