// SPDX-License-Identifier: LGPL-2.1-or-later
// Kinds of knobs that are written, shown or put back in a way of their own.
#include "libtune/applier.h"
#include "tests/catch.h"
#include "tests/unit/applier_rig.h"

using namespace tuneshift;
using namespace tuneshift::test;

namespace {

/// As bcache shows a size: drivers/md/bcache/util.c, bch_hprint().
std::string size_text(const std::string& value) {
  uint64_t whole = std::stoull(value);
  uint64_t rest = 0;
  size_t unit = 0;
  do {
    ++unit;
    rest = whole % 1024;
    whole /= 1024;
  } while (whole >= 1000);
  return std::to_string(whole) + "." + std::to_string(rest * 10 / 1024) + "?kMGT"[unit];
}

}  // namespace

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
  rig.converge({});
  rig.kernel.shows(around,
                   [](const std::string& value) { return value == "4096" ? "16384" : value; });
  const Desired least = {{"debugfs/fault_around_bytes", want(exactly("4096"))}};
  CHECK(summary(rig.converge(least)) == "written debugfs/fault_around_bytes 65536 -> 16384\n");
  CHECK(rig.applier->verify().empty());
  rig.converge({});
  CHECK(rig.tree.text(around) == "65536\n");
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

TEST_CASE("a governor is switched only where the kernel brings back all of it") {
  Rig rig;
  const std::string policy = "sys/devices/system/cpu/cpufreq/policy4/";
  const Desired desired = {{"cpu/policy4/scaling_governor", want(exactly("performance"))}};
  const auto stays = [&] {
    const std::string governor = rig.shown(policy + "scaling_governor");
    const auto plan = rig.applier->plan(desired);
    const Receipt receipt = rig.converge(desired);
    rig.converge({});
    return !plan.at(0).would_write && receipt.size() == 1 &&
           receipt.at(0).kind == ChangeKind::failed && receipt.at(0).why == plan.at(0).why &&
           receipt.at(0).why == governor + " has settings of its own that would be lost" &&
           rig.kernel.writes.empty();
  };
  CHECK(stays());  // its rate limit is not known
  const std::string of_all = "sys/devices/system/cpu/cpufreq/schedutil/rate_limit_us";
  rig.tree.add(file(of_all, "2000\n"));
  CHECK(stays());  // and this one's default is not
  rig.tree.add(file(policy + "cpuinfo_transition_latency", "10000\n"));
  for (const char* theirs : {"500", "0", "1000"}) {
    rig.tree.set(of_all, std::string(theirs) + "\n");
    CHECK(stays());
  }
  for (const char* governor : {"ondemand", "conservative", "userspace"}) {
    rig.kernel.put(policy + "scaling_governor", std::string(governor) + "\n");
    CHECK(stays());
  }
  rig.kernel.put(policy + "scaling_governor", "schedutil\n");
  for (const char* limit : {"2000", "10000", "15"}) {
    rig.tree.set(of_all, std::string(limit) + "\n");
    CHECK(rig.applier->plan(desired).at(0).would_write);
    CHECK(rig.converge(desired).at(0).kind == ChangeKind::written);
    // What another wish wants of it loses nothing more.
    CHECK(
        rig.applier->plan({{desired.begin()->first, want(exactly("ondemand"))}}).at(0).would_write);
    rig.converge({});
    CHECK(rig.shown(policy + "scaling_governor") == "schedutil");
  }
  // A driver with a default of its own, and a limit for each policy.
  rig.kernel.writes.clear();
  rig.tree.add(file(policy + "schedutil/rate_limit_us", "500\n"));
  rig.tree.add(file(policy + "scaling_driver", "intel_cpufreq\n"));
  CHECK(rig.applier->plan(desired).at(0).would_write);
  rig.tree.add(file(policy + "energy_performance_preference", "balance_performance\n"));
  CHECK(stays());
  rig.tree.set(policy + "schedutil/rate_limit_us", "5000\n");
  CHECK(rig.applier->plan(desired).at(0).would_write);
  rig.kernel.put(policy + "scaling_governor", "powersave\n");
  CHECK(rig.applier->plan(desired).at(0).would_write);
}

TEST_CASE("a time that the kernel keeps in jiffies is ours as it shows it") {
  Rig rig;
  const std::string path = "sys/kernel/mm/lru_gen/min_ttl_ms";
  const Desired desired = {{"lru_gen/min_ttl_ms", want(exactly("150"))}};
  rig.tree.add(file(path, "0\n"));
  const int jiffy_ms = GENERATE(1, 4, 10);
  rig.kernel.shows(path, [jiffy_ms](const std::string& value) {
    return std::to_string((std::stoi(value) + jiffy_ms - 1) / jiffy_ms * jiffy_ms);
  });
  CHECK(rig.converge(desired).at(0).kind == ChangeKind::written);
  CHECK(rig.applier->verify().empty());
  rig.converge({});
  CHECK(rig.shown(path) == "0");
}

TEST_CASE("a size that is shown with one digit comes back as that digit") {
  Rig rig;
  const std::string path = "sys/block/vda/bcache/sequential_cutoff";
  const std::string knob = "block/vda/bcache/sequential_cutoff";
  rig.tree.add(file("sys/devices/pci/block/vda/bcache/sequential_cutoff", "\n"));
  rig.kernel.shows(path, size_text);
  std::vector<uint64_t> sizes = {0, 100, 1023, 1048575, 5000000, 2147483647};
  for (uint64_t tenth = 0; tenth < 10; ++tenth) {
    for (const uint64_t unit : {1024ULL, 1048576ULL, 1073741824ULL}) {
      sizes.push_back(unit + unit * tenth / 10);
      sizes.push_back(unit + unit * tenth / 10 + 1);
    }
  }
  for (const uint64_t size : sizes) {
    const std::string theirs = size_text(std::to_string(size));
    INFO(size << " is shown as " << theirs);
    rig.kernel.put(path, theirs + "\n");
    // Any other number is ours, however it is shown.
    for (const char* ours : {"3000000", "500", "1500"}) {
      const Receipt receipt = rig.converge({{knob, want(exactly(ours))}});
      CHECK((receipt.empty() || receipt.at(0).kind == ChangeKind::written));
      CHECK(rig.applier->verify().empty());
    }
    for (const Change& change : rig.converge({})) CHECK(change.kind == ChangeKind::restored);
    CHECK(rig.shown(path) == theirs);
    CHECK(rig.journal->read().entries.empty());
  }
}
