// SPDX-License-Identifier: LGPL-2.1-or-later
// Devices that go away, and others that get their names.
#include <cerrno>

#include "tests/catch.h"
#include "tests/unit/applier_rig.h"

using namespace tuneshift;
using namespace tuneshift::test;

namespace {

const std::string kBdi = "sys/class/bdi/0:44";
const std::string kBdiKnob = "bdi/0:44/read_ahead_kb";
const std::string kBdiFile = kBdi + "/read_ahead_kb";
const std::string kDisk = "sys/devices/pci/block/vda";
const Desired kMount = {{kBdiKnob, want(at_least(16384))}};
const Desired kQueue = {{"block/vda/queue/max_sectors_kb", want(exactly("2048"))},
                        {"block/vda/queue/wbt_lat_usec", want(exactly("0"))}};

/// Another device of that name, made before the old one is gone: it has an inode of its own.
void replace(const Rig& rig, const std::string& device, const std::string& knob,
             const std::string& value) {
  rig.tree.set(knob, value + "\n");
  const std::filesystem::path path = rig.tree.root() + "/" + device;
  const std::filesystem::path fresh = path.string() + "-new";
  std::filesystem::copy(path, fresh, std::filesystem::copy_options::recursive);
  std::filesystem::remove_all(path);
  std::filesystem::rename(fresh, path);
}

void replace_bdi(const Rig& rig, const std::string& value) {
  replace(rig, kBdi, kBdiFile, value);
}

bool has(const Receipt& receipt, ChangeKind kind) {
  return std::any_of(receipt.begin(), receipt.end(),
                     [kind](const Change& change) { return change.kind == kind; });
}

bool is_settled(const Rig& rig) {
  return rig.journal->read().entries.empty();
}

}  // namespace

TEST_CASE("a device that goes away at any step of a write is settled as gone") {
  for (int step = 1; step <= 6; ++step) {
    Rig rig;
    rig.kernel.before_read(kVda + "max_sectors_kb", step, [&rig] { rig.tree.remove(kDisk); });
    const Receipt receipt = rig.converge(kQueue);
    INFO("before read " << step << "\n" << summary(receipt));
    CHECK_FALSE(has(receipt, ChangeKind::failed));
    CHECK_FALSE(has(receipt, ChangeKind::yielded));
    rig.applier->forget_gone();
    const Receipt restored = rig.applier->restore_all();
    INFO(summary(restored));
    CHECK_FALSE(has(restored, ChangeKind::failed));
    CHECK(is_settled(rig));
    CHECK(rig.applier->restore_all().empty());
  }
}

TEST_CASE("a device that goes away at any step of its restore is settled as gone") {
  for (const std::string file : {"max_sectors_kb", "wbt_lat_usec", "read_ahead_kb"}) {
    for (int step = 1; step <= 5; ++step) {
      Rig rig;
      rig.converge(kQueue);
      rig.kernel.before_read(kVda + file, step, [&rig] { rig.tree.remove(kDisk); });
      const Receipt receipt = rig.applier->restore_all();
      INFO(file << ", before read " << step << "\n" << summary(receipt));
      CHECK_FALSE(has(receipt, ChangeKind::failed));
      CHECK_FALSE(has(receipt, ChangeKind::yielded));
      CHECK(is_settled(rig));
    }
  }
}

TEST_CASE("a write that the kernel answers with no such device settles it as gone") {
  for (const int error : {ENODEV, ENXIO}) {
    Rig rig;
    rig.kernel.fail_writes(kBdiFile, error);
    CHECK(summary(rig.converge(kMount)) == "absent " + kBdiKnob + "  -> \n");
    CHECK(is_settled(rig));
    CHECK(rig.converge({}).empty());

    rig.kernel.fail_writes(kBdiFile, 0);
    rig.converge(kMount);
    rig.kernel.fail_writes(kBdiFile, error);
    CHECK(summary(rig.applier->restore_all()) == "absent " + kBdiKnob + " 16384 -> \n");
    CHECK(is_settled(rig));
  }
}

TEST_CASE("no such file from a write to a disk that is there is a failure") {
  Rig rig;
  rig.converge(kMount);
  rig.kernel.fail_writes(kBdiFile, ENOENT);
  CHECK(has(rig.applier->restore_all(), ChangeKind::failed));
  CHECK_FALSE(is_settled(rig));
}

TEST_CASE("another device of the same name is not changed by somebody else") {
  Rig rig;
  rig.converge(kMount);
  replace_bdi(rig, "300");
  CHECK(summary(rig.applier->verify()) == "absent " + kBdiKnob + " 16384 -> \n");
  CHECK(is_settled(rig));
  const Receipt receipt = rig.converge(kMount);
  CHECK(summary(receipt) == "written " + kBdiKnob + " 300 -> 16384\n");
  CHECK(rig.applier->knobs().at(0).original == "300");
  rig.converge({});
  CHECK(rig.shown(kBdiFile) == "300");
}

TEST_CASE("another device of the same name gets the profile in one step") {
  Rig rig;
  rig.converge(kMount);
  replace_bdi(rig, "300");
  CHECK(summary(rig.converge(kMount)) ==
        "absent " + kBdiKnob + " 16384 -> \nwritten " + kBdiKnob + " 300 -> 16384\n");
  CHECK(rig.applier->verify().empty());
  rig.start();
  rig.applier->restore_all();
  CHECK(rig.shown(kBdiFile) == "300");
  CHECK(is_settled(rig));
}

TEST_CASE("another device of the same name is not given the old one's value") {
  for (const bool killed : {false, true}) {
    Rig rig;
    rig.converge(kMount);
    // Its own value is by chance what ours was.
    replace_bdi(rig, "16384");
    if (killed) rig.start();
    CHECK(summary(rig.applier->restore_all()) == "absent " + kBdiKnob + " 16384 -> \n");
    CHECK(rig.shown(kBdiFile) == "16384");
    CHECK(is_settled(rig));
  }
}

TEST_CASE("a device that is replaced between the look and the write is not written") {
  Rig rig;
  rig.kernel.before_read(kBdiFile, 2, [&rig] { replace_bdi(rig, "128"); });
  CHECK(summary(rig.converge(kMount)) == "absent " + kBdiKnob + "  -> \n");
  CHECK(rig.kernel.writes.empty());
  CHECK(is_settled(rig));
  CHECK(summary(rig.converge(kMount)) == "written " + kBdiKnob + " 128 -> 16384\n");
}

TEST_CASE("a device that cannot be looked at is not taken for gone") {
  Rig rig;
  rig.converge(kMount);
  rig.kernel.fail_inodes(EMFILE);
  CHECK(rig.applier->forget_gone().empty());
  CHECK(rig.applier->verify().empty());
  CHECK(summary(rig.applier->restore_all()) == "restored " + kBdiKnob + " 16384 -> 128\n");
  CHECK(is_settled(rig));
}

TEST_CASE("what was yielded on a device is not yielded on the next of that name") {
  Rig rig;
  rig.converge(kMount);
  rig.tree.set(kBdiFile, "64\n");
  CHECK(rig.applier->verify().size() == 1);
  replace_bdi(rig, "128");
  CHECK(summary(rig.converge(kMount)) == "written " + kBdiKnob + " 128 -> 16384\n");
}

TEST_CASE("only what is gone is forgotten") {
  Rig rig;
  Desired both = kMount;
  both.insert(kQueue.begin(), kQueue.end());
  both.emplace("vm.swappiness", want(exactly("10")));
  rig.converge(both);
  CHECK(rig.applier->forget_gone().empty());
  rig.tree.remove(kDisk);
  const Receipt receipt = rig.applier->forget_gone();
  INFO(summary(receipt));
  CHECK(receipt.size() == 2);
  for (const Change& change : receipt) CHECK(change.kind == ChangeKind::absent);
  CHECK(rig.applier->forget_gone().empty());
  CHECK(rig.journal->read().entries.size() == 2);
  CHECK(rig.applier->knobs().size() == 2);

  // The next one of that name is known already when the old one's end is told.
  replace_bdi(rig, "128");
  rig.converge(both);
  CHECK(rig.applier->forget_gone().empty());
  rig.applier->restore_all();
  CHECK(rig.shown(kBdiFile) == "128");
  CHECK(rig.shown(kSwappiness) == "60");
}

TEST_CASE("what a write moved on a device that is replaced meanwhile is forgotten") {
  Rig rig;
  rig.kernel.on_write(kVda + "max_sectors_kb", [&rig](const std::string&, const std::string&) {
    replace(rig, kDisk, kDisk + "/queue/read_ahead_kb", "512");
  });
  const Receipt receipt = rig.converge({{"block/vda/queue/max_sectors_kb", want(exactly("2048"))}});
  INFO(summary(receipt));
  rig.kernel.on_write(kVda + "max_sectors_kb", {});
  rig.applier->restore_all();
  CHECK(rig.shown(kVda + "read_ahead_kb") == "512");
  CHECK(is_settled(rig));
}

TEST_CASE("what the kernel sets as an NVMe disk comes up again is told from somebody's value") {
  const std::string knob = "block/nvme0n1/queue/read_ahead_kb";
  const std::string queue = "sys/block/nvme0n1/queue/";
  const Desired desired = {{knob, want(exactly("4096"))},
                           {"block/vda/queue/read_ahead_kb", want(exactly("4096"))}};
  const std::vector<std::string> found = {knob};
  Rig rig;
  rig.converge(desired);
  CHECK(rig.applier->reset_by_kernel(0).empty());
  rig.kernel.put(queue + "read_ahead_kb", "128\n");
  rig.kernel.put(kVda + "read_ahead_kb", "128\n");
  CHECK(rig.applier->reset_by_kernel(tick()) == found);

  // By twice the optimal request.
  rig.kernel.put(queue + "optimal_io_size", "1048576\n");
  CHECK(rig.applier->reset_by_kernel(0).empty());
  rig.kernel.put(queue + "read_ahead_kb", "2048\n");
  CHECK(rig.applier->reset_by_kernel(0) == found);

  // Also when somebody's look was faster than the question.
  const uint64_t before = tick();
  CHECK(rig.applier->verify({{knob, ""}}).size() == 1);
  CHECK(rig.applier->reset_by_kernel(tick()).empty());
  CHECK(rig.applier->reset_by_kernel(before) == found);
  // But not what is known to be somebody's.
  CHECK(rig.applier->verify({{knob, "tuned"}}).empty());
  CHECK(rig.applier->reset_by_kernel(before).empty());
  REQUIRE(rig.applier->rearm(knob));
  CHECK(rig.applier->reset_by_kernel(0).empty());
  rig.converge(desired);
  CHECK(rig.shown(queue + "read_ahead_kb") == "4096");
  rig.converge({});
  CHECK(rig.shown(queue + "read_ahead_kb") == "2048");
}

TEST_CASE("a dry run sees the device that is there") {
  Rig rig;
  rig.converge(kMount);
  replace_bdi(rig, "300");
  const auto rows = rig.applier->plan(kMount);
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].would_write);
  CHECK(rows[0].current == "300");
  CHECK(rig.applier->plan({}).empty());
}

TEST_CASE("a map's number does not go to the next map of its name") {
  Rig rig;
  const std::string path = "device-mapper/dm-0/migration_threshold";
  rig.tree.add(file(path, "2048\n"));
  const std::string knob = "block/dm-0/dm/migration_threshold";
  rig.converge({{knob, want(exactly("8192"))}});
  // Its cache is shown with the same number by chance.
  replace(rig, "sys/devices/virtual/block/dm-0", path, "8192");
  SECTION("in the same process") {}
  SECTION("in the next one") {
    rig.start();
  }
  CHECK(has(rig.applier->restore_all(), ChangeKind::absent));
  CHECK(rig.shown(path) == "8192");
  CHECK(is_settled(rig));
}
