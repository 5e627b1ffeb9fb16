// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/applier.h"

#include "tests/catch.h"
#include "tests/unit/applier_rig.h"

using namespace tuneshift;
using namespace tuneshift::test;

namespace {

const KnobStatus& row(const std::vector<KnobStatus>& rows, const std::string& knob) {
  for (const KnobStatus& status : rows) {
    if (status.knob == knob) return status;
  }
  throw std::runtime_error("no row for " + knob);
}

std::string resolved(const Rig& rig, const std::string& name, const ValueSpec& spec,
                     const std::string& original) {
  const auto knob = resolve_knob(rig.kernel, name);
  const auto text = rig.applier->resolve_value(knob.value(), spec, original);
  return text ? text.value() : to_string(spec) + ": " + text.error().message;
}

}  // namespace

TEST_CASE("what is wanted is written once, and goes back when it is wanted no more") {
  Rig rig;
  const Desired desired = {{"vm.swappiness", want(exactly("10"))}};
  const Receipt receipt = rig.converge(desired);
  REQUIRE(receipt.size() == 1);
  CHECK(summary(receipt) == "written vm.swappiness 60 -> 10\n");
  CHECK(receipt[0].owner == "load 1");
  CHECK(receipt[0].profile == "throughput");
  CHECK(receipt[0].why == "a model is loading");
  CHECK(receipt[0].done_ns > 0);
  CHECK(rig.shown(kSwappiness) == "10");

  CHECK(rig.converge(desired).empty());
  CHECK(rig.kernel.writes.size() == 1);

  CHECK(summary(rig.converge({})) == "restored vm.swappiness 10 -> 60\n");
  CHECK(rig.tree.snapshot() == rig.before);
  CHECK(rig.applier->knobs().empty());
  CHECK(rig.run.text("journal").empty());
}

TEST_CASE("from one value to the next it never dips through the original") {
  Rig rig;
  rig.converge({{"vm.swappiness", want(exactly("10"))}});
  rig.converge({{"vm.swappiness", want(exactly("20"), "server 7")}});
  CHECK(rig.kernel.writes == std::vector<std::string>{kSwappiness + "=10", kSwappiness + "=20"});
  CHECK(row(rig.applier->knobs(), "vm.swappiness").owner == "server 7");
  CHECK(row(rig.applier->knobs(), "vm.swappiness").original == "60");
  rig.applier->restore_all();
  CHECK(rig.shown(kSwappiness) == "60");
}

TEST_CASE("a knob that is right already is not written") {
  Rig rig;
  CHECK(rig.converge({{"vm.swappiness", want(exactly("60"))},
                      {"net.ipv4.tcp_rmem", want(exactly("4096 131072  6291456"))},
                      {"thp/enabled", want(exactly("madvise"))},
                      {"block/vda/queue/read_ahead_kb", want(at_least(64))}})
            .empty());
  CHECK(rig.kernel.writes.empty());
  CHECK(row(rig.applier->knobs(), "thp/enabled").state == KnobState::ours);
  CHECK(rig.applier->verify().empty());
  CHECK(rig.converge({}).empty());
  CHECK(rig.applier->knobs().empty());
}

TEST_CASE("bounds move the original, not what was made of it") {
  Rig rig;
  const std::string knob = "block/vda/queue/read_ahead_kb";
  rig.converge({{knob, want(at_least(4096))}});
  CHECK(rig.shown(kVda + "read_ahead_kb") == "4096");
  rig.converge({{knob, want(at_least(1024))}});
  CHECK(rig.shown(kVda + "read_ahead_kb") == "1024");
  rig.converge({{knob, want(at_least(64))}});
  CHECK(rig.shown(kVda + "read_ahead_kb") == "128");
}

TEST_CASE("values are resolved to what this machine can take") {
  const Rig rig;
  const Amount one_percent{0, 1.0, {}};
  CHECK(resolved(rig, "vm.min_free_kbytes", Share{one_percent, {}, {}, Direction::any}, "1") ==
        "83886");
  CHECK(resolved(rig, "vm.dirty_bytes", Share{one_percent, {}, {}, Direction::any}, "0") ==
        "85899264");
  CHECK(resolved(rig, "vm.min_free_kbytes", Bounds{one_percent, Amount{50000, {}, {}}}, "60000") ==
        "50000");
  CHECK(resolved(rig, "vm.min_free_kbytes", Bounds{one_percent, {}}, "90000") == "90000");
  // What the kernel could not take is not asked for: half of the memory, more than the device.
  CHECK(resolved(rig, "net.core.rmem_max", Share{Amount{0, 99.0, {}}, {}, {}, Direction::any},
                 "1") == "2147483647");
  CHECK(resolved(rig, "block/vda/queue/max_sectors_kb", at_least(4096), "1280") == "2048");
  CHECK(resolved(rig, "block/vda/queue/scheduler", FirstOf{{"bfq", "kyber", "none"}},
                 "mq-deadline") == "kyber");

  const auto error = [&rig](const std::string& name, const ValueSpec& spec,
                            const std::string& original) {
    const auto knob = resolve_knob(rig.kernel, name);
    return rig.applier->resolve_value(knob.value(), spec, original).error().code;
  };
  CHECK(error("block/vda/queue/scheduler", FirstOf{{"bfq"}}, "none") == ErrorCode::not_found);
  CHECK(error("block/vda/queue/nr_requests", FirstOf{{"1"}}, "1") == ErrorCode::invalid_argument);
  CHECK(error("net.ipv4.tcp_rmem", at_least(1), "4096 1 2") == ErrorCode::invalid_argument);
  CHECK(error("vm.swappiness", Share{one_percent, {}, {}, Direction::any}, "60") ==
        ErrorCode::invalid_argument);
  CHECK(error("vm.swappiness", exactly(" "), "60") == ErrorCode::invalid_argument);
}

TEST_CASE("a value that the kernel rounded is ours, is not written again, and goes back") {
  Rig rig;
  const Desired desired = {{"block/vda/queue/read_ahead_kb", want(exactly("4097"))}};
  CHECK(summary(rig.converge(desired)) == "written block/vda/queue/read_ahead_kb 128 -> 4096\n");
  CHECK(rig.converge(desired).empty());
  CHECK(rig.applier->verify().empty());
  rig.converge({});
  CHECK(rig.shown(kVda + "read_ahead_kb") == "128");

  // Rounded to the very original: nothing of ours is in force, and it is not tried again.
  const Desired near = {{"block/vda/queue/read_ahead_kb", want(exactly("129"))}};
  rig.converge(near);
  rig.kernel.writes.clear();
  CHECK(rig.converge(near).empty());
  CHECK(rig.kernel.writes.empty());
  CHECK(rig.journal->read().entries.empty());
}

TEST_CASE("somebody else's value stands until the knob is armed again") {
  Rig rig;
  const Desired desired = {{"vm.swappiness", want(exactly("10"))}};
  rig.converge(desired);
  rig.kernel.put(kSwappiness, "33\n");
  CHECK(summary(rig.converge(desired)) == "yielded vm.swappiness 10 -> 33\n");
  CHECK(rig.converge(desired).empty());
  CHECK(row(rig.applier->knobs(), "vm.swappiness").state == KnobState::yielded);
  CHECK(rig.applier->restore_all().empty());
  CHECK(rig.shown(kSwappiness) == "33");

  CHECK(rig.applier->rearm("vm.vfs_cache_pressure").error().code == ErrorCode::not_found);
  CHECK(rig.applier->rearm("../etc").error().code == ErrorCode::not_found);
  REQUIRE(rig.applier->rearm("vm/swappiness"));
  CHECK(rig.applier->rearm("vm.swappiness").error().code == ErrorCode::not_found);
  CHECK(rig.applier->rearm(""));
  CHECK(summary(rig.converge(desired)) == "written vm.swappiness 33 -> 10\n");
  rig.converge({});
  CHECK(rig.shown(kSwappiness) == "33");
}

TEST_CASE("somebody else's return to the original is theirs as well") {
  Rig rig;
  const Desired desired = {{"vm.swappiness", want(exactly("10"))}};
  rig.converge(desired);
  rig.kernel.put(kSwappiness, "60\n");
  CHECK(summary(rig.converge(desired)) == "yielded vm.swappiness 10 -> 60\n");
  CHECK(rig.kernel.writes.size() == 1);
}

TEST_CASE("somebody else's write of the same value is no change") {
  Rig rig;
  const Desired desired = {{"vm.swappiness", want(exactly("10"))}};
  rig.converge(desired);
  rig.kernel.put(kSwappiness, "10\n");
  CHECK(rig.converge(desired).empty());
  rig.converge({});
  CHECK(rig.shown(kSwappiness) == "60");
}

TEST_CASE("a change right before the write is seen") {
  Rig rig;
  rig.kernel.before_read(kSwappiness, 2, [&rig] { rig.kernel.put(kSwappiness, "33\n"); });
  const Receipt receipt = rig.converge({{"vm.swappiness", want(exactly("10"))}});
  CHECK(summary(receipt) == "yielded vm.swappiness 60 -> 33\n");
  CHECK(rig.kernel.writes.empty());
  rig.start();
  rig.applier->restore_all();
  CHECK(rig.shown(kSwappiness) == "33");
}

TEST_CASE(
    "a change between the write and the read-back is theirs, not what the kernel made of ours") {
  Rig rig;
  rig.kernel.before_read(kSwappiness, 3, [&rig] { rig.kernel.put(kSwappiness, "44\n"); });
  const Receipt receipt = rig.converge({{"vm.swappiness", want(exactly("10"))}});
  CHECK(summary(receipt) == "yielded vm.swappiness 10 -> 44\n");
  rig.converge({});
  CHECK(rig.shown(kSwappiness) == "44");
  rig.start();
  rig.applier->restore_all();
  CHECK(rig.shown(kSwappiness) == "44");
}

TEST_CASE("verify tells what is new, once") {
  Rig rig;
  rig.kernel.fail_writes("proc/sys/vm/min_free_kbytes", EINVAL);
  rig.converge({{"vm.swappiness", want(exactly("10"))},
                {"vm.min_free_kbytes", want(exactly("100000"))},
                {"vm.stat_interval", want(exactly("10"))}});
  rig.kernel.put(kSwappiness, "33\n");
  CHECK(summary(rig.applier->verify()) == "yielded vm.swappiness 10 -> 33\n");
  CHECK(rig.applier->verify().empty());
}

TEST_CASE("a missing knob is told once and taken up when it appears") {
  Rig rig;
  const Desired desired = {{"bdi/0:45/read_ahead_kb", want(at_least(4096))}};
  CHECK(summary(rig.converge(desired)) == "absent bdi/0:45/read_ahead_kb  -> \n");
  CHECK(rig.converge(desired).empty());
  CHECK(row(rig.applier->knobs(), "bdi/0:45/read_ahead_kb").state == KnobState::absent);
  rig.tree.add(file("sys/class/bdi/0:45/read_ahead_kb", "128\n"));
  CHECK(summary(rig.converge(desired)) == "written bdi/0:45/read_ahead_kb 128 -> 4096\n");

  // A device that goes takes its values with it.
  rig.tree.remove("sys/class/bdi/0:45");
  CHECK(rig.applier->restore_all().size() == 1);
  CHECK(rig.journal->read().entries.empty());
}

TEST_CASE("what is no knob is told and nothing is touched") {
  Rig rig;
  const Desired desired = {{"../etc/passwd", want(exactly("10"))}};
  CHECK(summary(rig.converge(desired)) == "failed ../etc/passwd  -> 10\n");
  CHECK(rig.tree.snapshot() == rig.before);
}

TEST_CASE("read-ahead goes last among the quick knobs, knobs that freeze go in their own pass") {
  Rig rig;
  const Desired desired = {{"block/vda/queue/read_ahead_kb", want(at_least(4096))},
                           {"block/vda/queue/rq_affinity", want(exactly("2"))},
                           {"block/vda/queue/nr_requests", want(exactly("128"))},
                           {"thp/enabled", want(exactly("always"))},
                           {"vm.swappiness", want(exactly("10"))}};
  rig.applier->converge(desired, Pass::quick);
  REQUIRE(rig.kernel.writes.size() == 4);
  CHECK(rig.kernel.writes.back() == kVda + "read_ahead_kb=4096");
  CHECK(rig.shown(kVda + "nr_requests") == "64");
  rig.applier->converge(desired, Pass::freezing);
  CHECK(rig.kernel.writes.size() == 5);
  CHECK(rig.shown(kVda + "nr_requests") == "128");
  rig.applier->converge({}, Pass::quick);
  CHECK(rig.shown(kVda + "nr_requests") == "128");
  CHECK(rig.shown(kVda + "read_ahead_kb") == "128");
}

TEST_CASE("a plan says what would be written, and touches nothing") {
  Rig rig;
  rig.converge({{"vm.swappiness", want(exactly("10"))}, {"thp/enabled", want(exactly("always"))}});
  const auto kernel_before = rig.tree.snapshot();
  const std::string journal_before = rig.run.text("journal");
  const std::vector<PlanRow> rows =
      rig.applier->plan({{"vm.swappiness", want(exactly("20"), "hold 3")},
                         {"vm.min_free_kbytes", want(exactly("67584"))},
                         {"vm.stat_interval", want(exactly("10"))},
                         {"block/vda/queue/scheduler", want(FirstOf{{"bfq"}})}});
  std::string text;
  for (const PlanRow& plan : rows) {
    text += plan.knob + " '" + plan.current + "' '" + plan.wanted + "' '" + plan.owner + "' " +
            (plan.would_write ? "write\n" : "keep\n");
  }
  CHECK(text ==
        "block/vda/queue/scheduler 'mq-deadline' 'bfq' '' keep\n"
        "vm.min_free_kbytes '67584' '67584' '' keep\n"
        "vm.stat_interval '' '10' '' keep\n"
        "vm.swappiness '10' '20' 'load 1' write\n"
        "thp/enabled 'always' 'madvise' 'load 1' write\n");
  CHECK(rows[0].why.find("offers none of bfq") != std::string::npos);
  CHECK(rig.tree.snapshot() == kernel_before);
  CHECK(rig.run.text("journal") == journal_before);
}

TEST_CASE("what a scheduler write moves is put back, then and at the end") {
  Rig rig;
  const Desired desired = {{"block/vda/queue/scheduler", want(exactly("none"))}};
  const Receipt receipt = rig.converge(desired);
  CHECK(summary(receipt) ==
        "written block/vda/queue/scheduler mq-deadline -> none\n"
        "restored block/vda/queue/nr_requests 256 -> 64\n");
  CHECK(receipt[1].why == "moved by block/vda/queue/scheduler");
  CHECK(rig.shown(kVda + "nr_requests") == "64");
  rig.converge({});
  CHECK(rig.tree.snapshot() == rig.before);
}

TEST_CASE("what a write moves is brought to what is wanted of it, in one more write") {
  Rig rig;
  const Desired desired = {{"block/vda/queue/scheduler", want(exactly("none"))},
                           {"block/vda/queue/nr_requests", want(exactly("128"))}};
  rig.converge(desired);
  CHECK(rig.kernel.writes ==
        std::vector<std::string>{kVda + "scheduler=none", kVda + "nr_requests=128"});
  Desired other = desired;
  other["block/vda/queue/scheduler"] = want(exactly("kyber"));
  rig.converge(other);
  CHECK(rig.shown(kVda + "nr_requests") == "128");
  rig.converge({});
  CHECK(rig.tree.snapshot() == rig.before);
}

TEST_CASE("a limits write of the slow pass does not cost the read-ahead of the quick one") {
  Rig rig;
  rig.converge({{"block/vda/queue/read_ahead_kb", want(at_least(4096))},
                {"block/vda/queue/max_sectors_kb", want(at_least(2048))}});
  CHECK(rig.shown(kVda + "read_ahead_kb") == "4096");
  rig.converge({});
  CHECK(rig.tree.snapshot() == rig.before);
}

TEST_CASE("somebody else's value that our write moved goes back to them") {
  Rig rig;
  rig.converge({{"block/vda/queue/read_ahead_kb", want(at_least(4096))}});
  rig.kernel.put(kVda + "read_ahead_kb", "512\n");
  rig.converge({{"block/vda/queue/read_ahead_kb", want(at_least(4096))},
                {"block/vda/queue/max_sectors_kb", want(at_least(2048))}});
  CHECK(rig.shown(kVda + "read_ahead_kb") == "512");
  rig.converge({});
  CHECK(rig.shown(kVda + "read_ahead_kb") == "512");
  CHECK(rig.shown(kVda + "max_sectors_kb") == "1280");
}

TEST_CASE("a moved knob that the kernel will not take back waits for the one that moved it") {
  Rig rig;
  rig.kernel.on_write(kVda + "nr_requests", [](const std::string&, const std::string&) {});
  const Desired desired = {{"block/vda/queue/scheduler", want(exactly("none"))}};
  rig.kernel.fail_writes(kVda + "nr_requests", EINVAL);
  CHECK(summary(rig.converge(desired)) ==
        "written block/vda/queue/scheduler mq-deadline -> none\n");
  CHECK(rig.converge(desired).empty());
  rig.kernel.fail_writes(kVda + "nr_requests", 0);
  rig.converge({});
  CHECK(rig.tree.snapshot() == rig.before);
}

TEST_CASE("write-back latency returns to its default by -1, or to a number set by hand") {
  Rig rig;
  const std::string original = GENERATE("75000", "2000", "0");
  rig.kernel.put(kVda + "wbt_lat_usec", original + "\n");
  rig.converge({{"block/vda/queue/wbt_lat_usec", want(exactly("5000"))}});
  rig.kernel.writes.clear();
  rig.converge({});
  CHECK(rig.shown(kVda + "wbt_lat_usec") == original);
  CHECK(rig.kernel.writes.front() == kVda + "wbt_lat_usec=-1");
  CHECK(rig.kernel.writes.size() == (original == "75000" ? 1 : 2));
}

TEST_CASE("of a pair that excludes each other the one that was set comes back") {
  Rig rig;
  SECTION("the ratio was set, bytes are wanted") {
    rig.converge({{"vm.dirty_bytes", want(exactly("1000000"))}});
    CHECK(rig.shown(kDirtyRatio) == "0");
    CHECK(rig.applier->verify().empty());
    CHECK(rig.converge({{"vm.dirty_bytes", want(exactly("1000000"))}}).empty());
    rig.converge({});
    CHECK(rig.tree.snapshot() == rig.before);
  }
  SECTION("bytes were set, a ratio is wanted") {
    REQUIRE(rig.kernel.write(kDirtyBytes, "500000"));
    rig.converge({{"vm.dirty_ratio", want(exactly("10"))}});
    CHECK(rig.shown(kDirtyBytes) == "0");
    rig.applier->restore_all();
    CHECK(rig.shown(kDirtyBytes) == "500000");
    CHECK(rig.shown(kDirtyRatio) == "0");
  }
  SECTION("neither was set") {
    rig.kernel.put(kDirtyRatio, "0\n");
    rig.converge({{"vm.dirty_bytes", want(exactly("1000000"))}});
    rig.converge({});
    CHECK(rig.shown(kDirtyBytes) == "0");
    CHECK(rig.shown(kDirtyRatio) == "0");
  }
  SECTION("from one to the other it does not dip through the original") {
    rig.converge({{"vm.dirty_bytes", want(exactly("1000000"))}});
    rig.converge({{"vm.dirty_ratio", want(exactly("10"))}});
    CHECK(rig.shown(kDirtyRatio) == "10");
    rig.converge({{"vm.dirty_bytes", want(exactly("1000000"))}});
    CHECK(rig.shown(kDirtyBytes) == "1000000");
    CHECK(rig.kernel.writes == std::vector<std::string>{kDirtyBytes + "=1000000",
                                                        kDirtyRatio + "=10",
                                                        kDirtyBytes + "=1000000"});
    rig.converge({});
    CHECK(rig.tree.snapshot() == rig.before);
  }
  SECTION("both are wanted: one is refused, once") {
    const Desired both = {{"vm.dirty_bytes", want(exactly("1000000"))},
                          {"vm.dirty_ratio", want(exactly("10"))}};
    const Receipt receipt = rig.converge(both);
    REQUIRE(receipt.size() == 2);
    CHECK(receipt[1].kind == ChangeKind::failed);
    CHECK(rig.converge(both).empty());
    CHECK(rig.shown(kDirtyBytes) == "1000000");
    rig.converge({});
    CHECK(rig.tree.snapshot() == rig.before);
  }
  SECTION("somebody else sets the other one") {
    rig.converge({{"vm.dirty_bytes", want(exactly("1000000"))}});
    rig.kernel.put(kDirtyRatio, "30\n");
    rig.kernel.put(kDirtyBytes, "0\n");
    rig.converge({{"vm.dirty_bytes", want(exactly("1000000"))}});
    rig.applier->restore_all();
    CHECK(rig.shown(kDirtyRatio) == "30");
    CHECK(rig.shown(kDirtyBytes) == "0");
  }
  for (const std::string& written : rig.kernel.writes) CHECK(written != kDirtyBytes + "=0");
}

TEST_CASE("an amount for each CPU, bounded, one way only") {
  Rig rig;
  const Amount two_each{0, {}, 2.0};
  // 7 CPUs are online.
  CHECK(resolved(rig, "fuse/44/max_background", Share{two_each, {}, {}, Direction::any}, "12") ==
        "14");
  const Amount twenty{20, {}, {}};
  const Amount ten{10, {}, {}};
  CHECK(resolved(rig, "fuse/44/max_background", Share{two_each, twenty, {}, Direction::any},
                 "12") == "20");
  CHECK(resolved(rig, "fuse/44/max_background", Share{two_each, {}, ten, Direction::raise}, "12") ==
        "12");
  CHECK(resolved(rig, "fuse/44/max_background", Share{two_each, {}, {}, Direction::lower}, "12") ==
        "12");
  CHECK(resolved(rig, "fuse/44/max_background", Share{two_each, {}, {}, Direction::lower}, "99") ==
        "14");
}

TEST_CASE("a governor's choices are in the file beside it") {
  Rig rig;
  const std::string knob = "cpu/policy4/scaling_governor";
  CHECK(resolved(rig, knob, FirstOf{{"powersave", "performance"}}, "schedutil") == "performance");
}

TEST_CASE("a share of memory that only raises leaves what is higher, also above its own bound") {
  const Rig rig;
  const Share share{Amount{0, 0.5, {}}, {}, Amount{1048576, {}, {}}, Direction::raise};
  CHECK(resolved(rig, "vm.min_free_kbytes", share, "10000") == "41943");
  CHECK(resolved(rig, "vm.min_free_kbytes", share, "67584") == "67584");
  CHECK(resolved(rig, "vm.min_free_kbytes", share, "5767168") == "5767168");
}
