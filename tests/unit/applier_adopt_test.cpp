// SPDX-License-Identifier: LGPL-2.1-or-later
// A process that goes on with what the one before it has in force.
#include "tests/catch.h"
#include "tests/unit/applier_rig.h"

using namespace tuneshift;
using namespace tuneshift::test;

namespace {

const Desired desired = {{"vm.swappiness", want(exactly("10"))},
                         {"block/vda/queue/read_ahead_kb", want(at_least(4097))},
                         {"block/vda/queue/scheduler", want(exactly("none"))}};

/// Another process in the place of the one before.
void upgrade(Rig& rig) {
  const auto knobs = rig.applier->hand_over();
  rig.start();
  rig.kernel.writes.clear();
  REQUIRE(rig.applier->adopt(knobs));
}

KnobStatus row(const Rig& rig, const std::string& name) {
  for (const KnobStatus& knob : rig.applier->knobs()) {
    if (knob.knob == name) return knob;
  }
  return {};
}

}  // namespace

TEST_CASE("what is wanted as before is adopted without a write to it", "[adopt]") {
  Rig rig;
  rig.converge(desired);
  const auto in_force = rig.tree.snapshot();
  upgrade(rig);
  CHECK(rig.converge(desired).empty());
  CHECK(rig.tree.snapshot() == in_force);
  CHECK(rig.kernel.writes.empty());
  CHECK(row(rig, "vm.swappiness").original == "60");
  rig.converge({});
  CHECK(rig.tree.snapshot() == rig.before);
}

TEST_CASE("what is no longer wanted goes back to the first original", "[adopt]") {
  Rig rig;
  rig.converge(desired);
  upgrade(rig);
  rig.converge({{"vm.swappiness", want(exactly("20"))}});
  CHECK(rig.shown(kSwappiness) == "20");
  rig.applier->restore_all();
  CHECK(rig.tree.snapshot() == rig.before);
}

TEST_CASE("what somebody else changed in between is yielded", "[adopt]") {
  Rig rig;
  rig.converge(desired);
  upgrade(rig);
  rig.kernel.put(kSwappiness, "33\n");
  CHECK(summary(rig.converge(desired)) == "yielded vm.swappiness 10 -> 33\n");
  CHECK(rig.shown(kSwappiness) == "33");
}

TEST_CASE("what had been yielded stays yielded until it is armed again", "[adopt]") {
  Rig rig;
  rig.converge(desired);
  rig.kernel.put(kSwappiness, "33\n");
  rig.converge(desired);
  const std::string why = row(rig, "vm.swappiness").why;
  upgrade(rig);
  CHECK(rig.converge(desired).empty());
  CHECK(rig.shown(kSwappiness) == "33");
  CHECK(row(rig, "vm.swappiness").state == KnobState::yielded);
  CHECK(row(rig, "vm.swappiness").why == why);
  REQUIRE(rig.applier->rearm("vm.swappiness"));
  CHECK(summary(rig.converge(desired)) == "written vm.swappiness 33 -> 10\n");
  rig.applier->restore_all();
  CHECK(rig.shown(kSwappiness) == "33");
}

TEST_CASE("what a knob moved stays moved while it is in force", "[adopt]") {
  Rig rig;
  const Desired bytes = {{"vm.dirty_bytes", want(exactly("1048576"))}};
  rig.converge(bytes);
  REQUIRE(rig.shown(kDirtyRatio) == "0");
  upgrade(rig);
  CHECK(rig.converge(bytes).empty());
  CHECK(rig.shown(kDirtyBytes) == "1048576");
  CHECK(rig.kernel.writes.empty());
  rig.converge({});
  CHECK(rig.tree.snapshot() == rig.before);
}

TEST_CASE("what the kernel refused is not tried again", "[adopt]") {
  Rig rig;
  rig.converge(desired);
  const Desired other = {{"vm.swappiness", want(exactly("20"))}};
  rig.kernel.fail_writes(kSwappiness, EINVAL);
  rig.converge(other);
  upgrade(rig);
  rig.converge(other);
  CHECK(rig.kernel.writes.empty());
}

TEST_CASE("what is told of a knob that is not there is of no use", "[adopt]") {
  Rig rig;
  Handover::Knob yielded{"no.such.knob"};
  yielded.yielded = true;
  REQUIRE(rig.applier->adopt({yielded, Handover::Knob{"vm.swappiness", "10"}}));
  CHECK(rig.applier->knobs().empty());
  CHECK(summary(rig.converge(desired)).find("written vm.swappiness 60 -> 10") != std::string::npos);
}
