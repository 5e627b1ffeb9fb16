// SPDX-License-Identifier: LGPL-2.1-or-later
// Kinds of knobs that are written, shown or put back in a way of their own.
#include "libtune/applier.h"
#include "tests/catch.h"
#include "tests/unit/applier_rig.h"

using namespace tuneshift;
using namespace tuneshift::test;

TEST_CASE("a write-back limit is not lowered below what is dirty") {
  Rig rig;
  const auto meminfo = [&rig](int dirty_kib) {
    rig.tree.set("proc/meminfo",
                 "MemTotal: 8388608 kB\nMemFree: 500000 kB\nDirty: " + std::to_string(dirty_kib) +
                     " kB\nActive(file): 250000 kB\nInactive(file): 250000 kB\n");
  };
  meminfo(100001);
  const Desired desired = {{"vm.dirty_ratio", want(exactly("10"))}};
  const Receipt receipt = rig.converge(desired);
  REQUIRE(receipt.size() == 1);
  CHECK(receipt[0].kind == ChangeKind::put_off);
  CHECK(rig.applier->knobs().at(0).state == KnobState::waiting);
  CHECK(rig.shown(kDirtyRatio) == "20");
  CHECK(rig.journal->read().entries.empty());
  CHECK(rig.converge(desired).empty());
  CHECK(rig.applier->has_unsettled());
  meminfo(99999);
  CHECK(summary(rig.converge(desired)) == "written vm.dirty_ratio 20 -> 10\n");
  CHECK_FALSE(rig.applier->has_unsettled());
  // Raising never waits.
  meminfo(100000000);
  CHECK(summary(rig.converge({{"vm.dirty_ratio", want(exactly("30"))}})) ==
        "written vm.dirty_ratio 10 -> 30\n");
  rig.converge({});
  CHECK(rig.tree.text(kDirtyRatio) == rig.before.at(kDirtyRatio));
}

TEST_CASE("a unit that is gone takes its settings with it") {
  Rig rig;
  const std::string path = "systemd/vllm.service/CPUWeight";
  rig.tree.add(file(path, "unset\n"));
  const Desired desired = {{"cgroup/vllm.service/cpu.weight", want(exactly("500"))}};
  CHECK(summary(rig.converge(desired)) == "written cgroup/vllm.service/cpu.weight unset -> 500\n");
  rig.converge({});
  CHECK(rig.tree.text(path) == "unset\n");
  rig.converge(desired);
  rig.tree.remove("systemd");
  CHECK(rig.converge({}).at(0).kind == ChangeKind::absent);
  CHECK(rig.journal->read().entries.empty());
}

TEST_CASE("a request that is held goes when it is let go, whatever others ask") {
  Rig rig;
  const std::string path = "dev/cpu_dma_latency";
  rig.tree.add(file(path, "2000000000\n"));
  rig.kernel.shows(path, [](const std::string& value) {
    return value.empty() ? std::string("20") : value;  // another asks for 20 meanwhile
  });
  const Desired desired = {{"pm_qos/cpu_dma_latency", want(exactly("99"))}};
  CHECK(summary(rig.converge(desired)) == "written pm_qos/cpu_dma_latency 2000000000 -> 99\n");
  rig.tree.set(path, "20\n");
  CHECK(rig.applier->verify().empty());
  CHECK(rig.converge(desired).empty());
  CHECK(rig.converge({}).at(0).kind == ChangeKind::restored);
  CHECK(rig.kernel.writes == std::vector<std::string>{path + "=99", path + "="});
  CHECK(rig.journal->read().entries.empty());
  // Held under a stronger one from the beginning: nothing to be seen, and still let go.
  rig.kernel.shows(path, [](const std::string&) { return "20"; });
  rig.converge(desired);
  rig.converge({});
  CHECK(rig.kernel.writes.back() == path + "=");
  CHECK(rig.kernel.writes.size() == 4);
}

TEST_CASE("a number that the kernel makes a power of two, or shows with a unit, is ours") {
  Rig rig;
  const std::string around = "sys/kernel/debug/fault_around_bytes";
  rig.tree.add(file(around, "65536\n"));
  rig.kernel.shows(around, [](const std::string& value) {
    return value == "1000000" ? std::string("524288") : value;
  });
  CHECK(summary(rig.converge({{"debugfs/fault_around_bytes", want(exactly("1000000"))}})) ==
        "written debugfs/fault_around_bytes 65536 -> 524288\n");
  const std::string cutoff = "sys/devices/pci/block/vda/bcache/sequential_cutoff";
  rig.tree.add(file(cutoff, "4.0M\n"));
  rig.kernel.shows("sys/block/vda/bcache/sequential_cutoff",
                   [](const std::string& value) { return value == "5000000" ? "4.7M" : "4.0M"; });
  const Receipt receipt =
      rig.converge({{"block/vda/bcache/sequential_cutoff", want(exactly("5000000"))}});
  CHECK(receipt.at(0).kind == ChangeKind::written);
  CHECK(receipt.at(0).from == "4194304");
  rig.converge({});
  CHECK(rig.tree.text(cutoff) == "4.0M\n");
}

TEST_CASE("somebody else's value is seen while ours waits to be lowered") {
  Rig rig;
  rig.tree.set("proc/meminfo", "MemTotal: 8388608 kB\nDirty: 2000000 kB\n");
  rig.converge({{"vm.dirty_bytes", want(exactly("4000000000"))}});
  const Desired lower = {{"vm.dirty_bytes", want(exactly("1000000000"))}};
  CHECK(rig.converge(lower).at(0).kind == ChangeKind::put_off);
  rig.kernel.put(kDirtyBytes, "777000000\n");
  CHECK(rig.applier->verify().at(0).kind == ChangeKind::yielded);
  rig.converge({{"vm.dirty_ratio", want(exactly("15"))}});
  rig.converge({});
  CHECK(rig.shown(kDirtyBytes) == "777000000");
}
