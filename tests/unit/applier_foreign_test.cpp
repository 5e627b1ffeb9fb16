// SPDX-License-Identifier: LGPL-2.1-or-later
#include <cerrno>
#include <filesystem>

#include "tests/catch.h"
#include "tests/unit/applier_rig.h"

using namespace tuneshift;
using namespace tuneshift::test;

namespace {

const std::string kScheduler = kVda + "scheduler";
const std::string kRequests = kVda + "nr_requests";
const std::string kShmemEnabled = "sys/kernel/mm/transparent_hugepage/shmem_enabled";
const std::string kMinFree = "proc/sys/vm/min_free_kbytes";

/// Applies, switches and restores while somebody else writes once, right before the n-th read of
/// `read`; whether that read came. A last process restores what the others left.
bool live_beside(Rig& rig, const Desired& a, const Desired& b, const std::string& read, int n,
                 const std::function<void()>& somebody) {
  bool wrote = false;
  rig.kernel.before_read(read, n, [&] {
    wrote = true;
    somebody();
  });
  rig.converge(a);
  rig.converge(b);
  rig.applier->restore_all();
  rig.start();
  rig.applier->restore_all();
  return wrote;
}

}  // namespace

TEST_CASE("somebody else's half of a pair stands, whenever it is written") {
  const auto [path, value] = GENERATE(std::pair(kDirtyRatio, "33"), std::pair(kDirtyBytes, "5000"));
  int times = 0;
  for (int n = 1;; ++n, ++times) {
    Rig rig;
    const bool wrote = live_beside(rig, {{"vm.dirty_bytes", want(exactly("1000000"))}},
                                   {{"vm.dirty_ratio", want(exactly("10"))}}, path, n,
                                   [&] { (void)rig.kernel.write(path, value); });
    if (!wrote) break;
    INFO(path << " written before read " << n);
    CHECK(rig.shown(path) == value);
  }
  CHECK(times >= 9);
}

TEST_CASE("somebody else's value of a knob that ours moves stands") {
  int times = 0;
  for (int n = 1;; ++n) {
    Rig rig;
    bool in_gap = false;
    const bool wrote = live_beside(
        rig, {{"block/vda/queue/scheduler", want(exactly("none"))}},
        {{"block/vda/queue/scheduler", want(exactly("kyber"))}}, kRequests, n, [&] {
          // Before the first look at what the write did it cannot be told from that.
          const std::string last = rig.kernel.writes.empty() ? "" : rig.kernel.writes.back();
          in_gap = last.rfind(kScheduler, 0) == 0;
          if (!in_gap) rig.kernel.put(kRequests, "77\n");
        });
    if (!wrote) break;
    if (in_gap) continue;
    ++times;
    INFO("written before read " << n);
    CHECK(rig.shown(kRequests) == "77");
  }
  CHECK(times > 4);
}

TEST_CASE("a knob that is moved is compared next to the write that moves it") {
  Rig rig;
  // Journalled with 64; the second look, next to the write, finds another one.
  rig.kernel.before_read(kRequests, 2, [&rig] { rig.kernel.put(kRequests, "77\n"); });
  const Receipt receipt = rig.converge({{"block/vda/queue/scheduler", want(exactly("none"))}});
  CHECK(receipt[0].kind == ChangeKind::written);
  CHECK(rig.shown(kRequests) == "77");
  rig.applier->restore_all();
  CHECK(rig.shown(kRequests) == "77");
  CHECK(rig.shown(kScheduler) == "none [mq-deadline] kyber ");
}

TEST_CASE("who wrote is named also where something else than a look at it finds the value") {
  Rig rig;
  rig.converge({{"vm.swappiness", want(exactly("10"))}});
  rig.applier->know({{"vm.swappiness", "sysctl (pid 7)"}});
  rig.kernel.put(kSwappiness, "33\n");
  const Receipt receipt = rig.converge({{"vm.swappiness", want(exactly("10"))}});
  REQUIRE(receipt.size() == 1);
  CHECK(receipt[0].kind == ChangeKind::yielded);
  CHECK(receipt[0].writer == "sysctl (pid 7)");
  rig.applier->know({});
  CHECK(rig.applier->knobs()[0].why == "somebody else changed it from 10 to 33: sysctl (pid 7)");
}

TEST_CASE("a value that somebody writes while ours goes back stands") {
  Rig rig;
  rig.converge({{"vm.swappiness", want(exactly("10"))}});
  // Its reads: what it shows, the compare, and after the write what came of it.
  rig.kernel.before_read(kSwappiness, 3, [&rig] { rig.kernel.put(kSwappiness, "33\n"); });
  CHECK(rig.applier->restore_all()[0].kind == ChangeKind::yielded);
  rig.start();
  rig.applier->restore_all();
  CHECK(rig.shown(kSwappiness) == "33");
}

TEST_CASE("a value next to ours is somebody else's where the kernel does not round") {
  Rig rig;
  rig.kernel.before_read(kSwappiness, 3, [&rig] { rig.kernel.put(kSwappiness, "12\n"); });
  const Receipt receipt = rig.converge({{"vm.swappiness", want(exactly("10"))}});
  CHECK(summary(receipt) == "yielded vm.swappiness 10 -> 12\n");
  rig.applier->restore_all();
  CHECK(rig.shown(kSwappiness) == "12");
}

TEST_CASE("somebody else's value after a write that failed is theirs") {
  Rig rig;
  rig.kernel.fail_writes(kSwappiness, EIO);
  rig.kernel.before_read(kSwappiness, 3, [&rig] { rig.kernel.put(kSwappiness, "33\n"); });
  rig.converge({{"vm.swappiness", want(exactly("10"))}});
  rig.kernel.fail_writes(kSwappiness, 0);
  rig.start();
  rig.applier->restore_all();
  CHECK(rig.shown(kSwappiness) == "33");
}

TEST_CASE("after a crash only 0 and what it was can be our doing on a pair's other half") {
  Rig rig;
  REQUIRE(rig.journal->append_guard("vm.dirty_ratio", "20"));
  const std::string shown = GENERATE("0", "33");
  rig.kernel.put(kDirtyRatio, shown + "\n");
  rig.start();
  rig.applier->restore_all();
  CHECK(rig.shown(kDirtyRatio) == (shown == "0" ? "20" : "33"));
}

TEST_CASE("somebody else's half of a pair stands also when the process that saw it has died") {
  Rig rig;
  // Ours moved the ratio; theirs came, was yielded to, and keeps the ratio at 0.
  rig.converge({{"vm.dirty_bytes", want(exactly("1000000"))}});
  REQUIRE(rig.kernel.write(kDirtyBytes, "5000"));
  REQUIRE(rig.journal->append_yielded("vm.dirty_bytes"));
  rig.start();
  rig.kernel.writes.clear();
  rig.applier->restore_all();
  CHECK(rig.kernel.writes.empty());
  CHECK(rig.shown(kDirtyBytes) == "5000");
}

TEST_CASE("what shared memory's huge pages move comes back") {
  Rig rig;
  rig.tree.set(kShmemEnabled, "never\n");
  rig.kernel.on_write(kShmemEnabled, [&rig](const std::string&, const std::string&) {
    rig.kernel.put(kMinFree, "90000\n");
  });
  rig.converge({{"thp/shmem_enabled", want(exactly("advise"))}});
  CHECK(rig.shown(kMinFree) == "67584");
  rig.applier->restore_all();
  CHECK(rig.shown(kMinFree) == "67584");
}

TEST_CASE("nothing is written while a knob that it moves cannot be read") {
  Rig rig;
  rig.kernel.fail_reads(kRequests, EIO);
  const Receipt receipt = rig.converge({{"block/vda/queue/scheduler", want(exactly("none"))}});
  CHECK(receipt[0].kind == ChangeKind::failed);
  CHECK(rig.kernel.writes.empty());
  rig.kernel.fail_reads(kRequests, 0);
  CHECK(rig.converge({{"block/vda/queue/scheduler", want(exactly("none"))}})[0].kind ==
        ChangeKind::written);
  // The same on the way back.
  rig.kernel.fail_reads(kRequests, EIO);
  rig.applier->restore_all();
  rig.kernel.fail_reads(kRequests, 0);
  rig.start();
  rig.applier->restore_all();
  CHECK(rig.tree.snapshot() == rig.before);
}

TEST_CASE("nothing is written while what an earlier process left cannot be read") {
  Rig rig;
  rig.converge({{"vm.swappiness", want(exactly("10"))}});
  rig.start();
  const std::string journal = rig.run.root() + "/journal";
  const auto size = std::filesystem::file_size(journal);
  std::filesystem::resize_file(journal, size + (17U << 20));  // more than it reads
  CHECK(rig.applier->restore_all().size() == 1);
  const Desired desired = {{"vm.swappiness", want(exactly("20"))}};
  CHECK(rig.converge(desired)[0].kind == ChangeKind::failed);
  CHECK(rig.shown(kSwappiness) == "10");
  std::filesystem::resize_file(journal, size);
  rig.converge(desired);
  CHECK(rig.shown(kSwappiness) == "20");
  rig.applier->restore_all();
  CHECK(rig.shown(kSwappiness) == "60");
}
