// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/handover.h"

#include "tests/catch.h"

using namespace tuneshift;

namespace {

Handover example() {
  Handover handover;
  handover.mode = Mode::paused;
  handover.configured_mode = Mode::automatic;
  handover.mode_before_pause = Mode::manual;
  handover.pause_until_ns = 1'234'567'890'123;
  handover.switched_profile = "latency";
  handover.last_cookie = 4'000'000'000;
  handover.holds = {{7,
                     "throughput",
                     "a \"quoted\": # reason\\x0a",
                     ":1.42",
                     1000,
                     5,
                     6,
                     7,
                     false,
                     812,
                     9,
                     {"nvme0n1", "0:44"}},
                    {8, "no", "", ":1.43", 0, 5, 0, 0, true, 0, -1, {}}};
  const Store store = {"253:0", "bdi/253:0/read_ahead_kb", {"nvme0n1", "sda"}, {"dm-0"}, "ext4"};
  handover.processes = {{{812, 123'456'789'012}, true, {store, {"btrfs-1", "", {}, {}, ""}}},
                        {{813, 0}, false, {}}};
  handover.knobs = {{"block/vda/queue/read_ahead_kb", "4097", "9", "block/vda/queue/scheduler"}};
  Handover::Knob& yielded = handover.knobs.emplace_back(Handover::Knob{"vm.swappiness"});
  yielded.yielded = true;
  yielded.why = "somebody else changed it from 10 to 30: sysctl (pid 9)";
  yielded.original = "60";
  yielded.device = "17";
  yielded.gave_up = {"10", "yes"};
  yielded.writer = "sysctl (pid 9)";
  handover.yields = {{"vm.swappiness", 2}};
  return handover;
}

}  // namespace

TEST_CASE("What is handed over arrives", "[handover]") {
  const auto arrived = parse_handover(to_text(example()));
  REQUIRE(arrived.ok());
  const Handover& got = arrived.value();
  CHECK(got.mode == Mode::paused);
  CHECK(got.configured_mode == Mode::automatic);
  CHECK(got.mode_before_pause == Mode::manual);
  CHECK(got.pause_until_ns == 1'234'567'890'123);
  CHECK(got.switched_profile == "latency");
  CHECK(got.last_cookie == 4'000'000'000);
  REQUIRE(got.holds.size() == 2);
  const Handover::Hold& hold = got.holds.front();
  CHECK(hold.cookie == 7);
  CHECK(hold.profile == "throughput");
  CHECK(hold.reason == "a \"quoted\": # reason\\x0a");
  CHECK(hold.sender == ":1.42");
  CHECK(hold.uid == 1000);
  CHECK(hold.since_us == 5);
  CHECK(hold.until_us == 6);
  CHECK(hold.until_ns == 7);
  CHECK_FALSE(hold.dies_with_sender);
  CHECK(hold.pid == 812);
  CHECK(hold.pidfd == 9);
  CHECK(hold.devices == std::vector<std::string>{"nvme0n1", "0:44"});
  CHECK(got.holds.back().profile == "no");
  CHECK(got.holds.back().dies_with_sender);
  CHECK(got.holds.back().pidfd == -1);
  REQUIRE(got.processes.size() == 2);
  CHECK(got.processes.front().id == ProcessId{812, 123'456'789'012});
  CHECK(got.processes.front().loads);
  CHECK(got.processes.front().stores == example().processes.front().stores);
  CHECK_FALSE(got.processes.back().loads);
  REQUIRE(got.knobs.size() == 2);
  CHECK(got.knobs.front().written == "4097");
  CHECK(got.knobs.front().refused == "9");
  CHECK(got.knobs.front().moved_by == "block/vda/queue/scheduler");
  CHECK_FALSE(got.knobs.front().yielded);
  const Handover::Knob& yielded = got.knobs.back();
  CHECK(yielded.name == "vm.swappiness");
  CHECK(yielded.yielded);
  CHECK(yielded.why == example().knobs.back().why);
  CHECK(yielded.original == "60");
  CHECK(yielded.device == "17");
  CHECK(yielded.gave_up == std::vector<std::string>{"10", "yes"});
  CHECK(yielded.writer == "sysctl (pid 9)");
  CHECK(got.yields == example().yields);
  CHECK(parse_handover(to_text(Handover{})).ok());
}

TEST_CASE("Nothing else is taken for it", "[handover]") {
  const std::string text = to_text(example());
  for (const std::string& other :
       {std::string(), std::string("version: 2"), std::string("{"), std::string("- 1"),
        text.substr(0, text.size() / 2), "x" + text}) {
    CAPTURE(other);
    const auto arrived = parse_handover(other);
    REQUIRE_FALSE(arrived.ok());
    CHECK(arrived.error().code == ErrorCode::invalid_argument);
  }
}
