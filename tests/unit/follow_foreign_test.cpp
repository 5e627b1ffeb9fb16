// SPDX-License-Identifier: LGPL-2.1-or-later
// What an administrator writes to a knob that tuned keeps.
#include <utility>

#include "tests/catch.h"
#include "tests/unit/applier_rig.h"

using namespace tuneshift;
using namespace tuneshift::test;

namespace {

Desired lease(const std::string& value) {
  return {{"vm.swappiness", want(exactly(value))}};
}

Receipt follow(Rig& rig, const std::string& kept) {
  return rig.applier->follow({{"vm.swappiness", kept}});
}

}  // namespace

TEST_CASE("a value that an administrator sets on a knob of tuned's stays", "[follow]") {
  const auto [kept, set] =
      GENERATE(std::pair("10", "10"), std::pair(">70", "70"), std::pair("", "10"));
  CAPTURE(kept);
  Rig rig;
  rig.converge(lease("37"));
  rig.kernel.put(kSwappiness, set);  // tuned
  CHECK(summary(follow(rig, kept)) == std::string("rebased vm.swappiness 60 -> ") + set + "\n");
  rig.converge(lease("37"));
  CHECK(rig.shown(kSwappiness) == "37");
  rig.kernel.put(kSwappiness, "77");
  CHECK(summary(follow(rig, kept)) == "yielded vm.swappiness 37 -> 77\n");
  CHECK(follow(rig, kept).empty());
  rig.converge(lease("37"));
  CHECK(rig.shown(kSwappiness) == "77");
  rig.converge({});
  CHECK(rig.shown(kSwappiness) == "77");
}

TEST_CASE("a value that was yielded on a knob of tuned's is not taken back", "[follow]") {
  const std::string kept = GENERATE("10", ">70", "");
  CAPTURE(kept);
  Rig rig;
  rig.kernel.put(kSwappiness, "70");
  rig.converge(lease("90"));
  rig.kernel.put(kSwappiness, "95");
  rig.converge(lease("90"));
  CHECK(follow(rig, kept).empty());
  rig.converge(lease("90"));
  rig.converge({});
  CHECK(rig.shown(kSwappiness) == "95");
}

TEST_CASE("nothing of ours is in force: another value is not tuned's over ours", "[follow]") {
  // The lease wants what stands, which meets tuned's condition.
  const auto [stands, sets] = GENERATE(std::pair("70", "80"), std::pair("80", "70"));
  CAPTURE(stands);
  Rig rig;
  rig.kernel.put(kSwappiness, stands);
  CHECK(follow(rig, ">70").empty());
  rig.converge(lease(stands));
  rig.kernel.put(kSwappiness, sets);
  CHECK(follow(rig, ">70").size() == 1);
  rig.converge(lease(stands));
  CHECK(rig.shown(kSwappiness) == sets);
  rig.converge({});
  CHECK(rig.shown(kSwappiness) == sets);
}

TEST_CASE("tuned's value stays yielded where somebody else was seen to write it", "[follow]") {
  enum class Seen { on_look, beforehand, after_the_yield };
  const auto seen = GENERATE(Seen::on_look, Seen::beforehand, Seen::after_the_yield);
  CAPTURE(static_cast<int>(seen));
  const Writers writers{{"vm.swappiness", "sysctl (pid 7)"}};
  Rig rig;
  rig.kernel.put(kSwappiness, "30");
  CHECK(follow(rig, "30").empty());
  rig.converge(lease("10"));
  rig.kernel.put(kSwappiness, "30");  // back over ours
  if (seen == Seen::on_look) CHECK(rig.applier->verify(writers).size() == 1);
  if (seen == Seen::beforehand) {
    rig.applier->know(writers);
    CHECK(summary(follow(rig, "30")) == "yielded vm.swappiness 10 -> 30\n");
    rig.applier->know({});
  }
  if (seen == Seen::after_the_yield) {
    CHECK(rig.converge(lease("10")).size() == 1);
    CHECK(rig.applier->verify(writers).empty());
  }
  CHECK(follow(rig, "30").empty());
  CHECK(rig.converge(lease("10")).empty());
  const auto knobs = rig.applier->hand_over();
  rig.start();
  REQUIRE(rig.applier->adopt(knobs));
  CHECK(follow(rig, "30").empty());
  CHECK(rig.converge(lease("10")).empty());
  CHECK(rig.shown(kSwappiness) == "30");
  // It is no more tuned's when that lets go of it.
  CHECK(rig.applier->follow({}).empty());
  CHECK(rig.converge(lease("10")).empty());
  CHECK(rig.shown(kSwappiness) == "30");
}

TEST_CASE("what was put back before tuned came it has not captured", "[follow]") {
  const std::string kept = GENERATE("10", ">10");
  CAPTURE(kept);
  Rig rig;
  rig.converge(lease("10"));
  rig.converge({});
  rig.applier->forget_recent();
  rig.kernel.put(kSwappiness, "10");
  CHECK(follow(rig, kept).empty());
  CHECK(rig.applier->follow({}).empty());
  rig.converge({});
  CHECK(rig.shown(kSwappiness) == "10");
}

TEST_CASE("what is in force as tuned comes it may have captured", "[follow]") {
  Rig rig;
  rig.converge(lease("10"));
  rig.applier->forget_recent();
  rig.kernel.put(kSwappiness, "30");  // tuned
  CHECK(follow(rig, "30").size() == 1);
  rig.converge({});
  CHECK(rig.shown(kSwappiness) == "30");
  rig.kernel.put(kSwappiness, "10");  // it lets go
  CHECK(rig.applier->follow({}).size() == 1);
  rig.converge({});
  CHECK(rig.shown(kSwappiness) == "60");
}

TEST_CASE("whether tuned that ended unseen has rolled back other values of it tell", "[follow]") {
  const bool rolled_back = GENERATE(true, false);
  CAPTURE(rolled_back);
  const std::string other = "proc/sys/vm/stat_interval";
  Rig rig;
  rig.kernel.put(other, "1");
  rig.converge(lease("10"));
  const KeptValues kept = {{"vm.swappiness", "30"}, {"vm.stat_interval", "7"}};
  rig.kernel.put(kSwappiness, "30");  // tuned, which has captured our 10
  rig.kernel.put(other, "7");
  CHECK(rig.applier->follow(kept).size() == 1);
  rig.converge(lease("10"));
  CHECK(rig.shown(kSwappiness) == "10");
  if (rolled_back) rig.kernel.put(other, "1");
  (void)rig.applier->follow({}, kept, true);
  rig.converge({});
  CHECK(rig.shown(kSwappiness) == (rolled_back ? "60" : "30"));
}
