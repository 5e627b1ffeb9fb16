// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/policy.h"

#include "libtune/catalogue.h"
#include "tests/catch.h"

using namespace tuneshift;

namespace {

constexpr uint64_t s = 1'000'000'000;

const Store vda{"254:0", "block/vda/queue/read_ahead_kb", {"vda"}, {}, ""};
const Store vdb{"254:16", "block/vdb/queue/read_ahead_kb", {"vdb"}, {}, ""};
const Store fuse{"0:44", "bdi/0:44/read_ahead_kb", {}, {}, "fuse.store"};

Machine machine_of(std::vector<Store> stores) {
  Machine machine;
  machine.stores = std::move(stores);
  return machine;
}

ProfileEntry entry(Family family, const char* name, const char* value) {
  const KnobInfo* kind = find_kind(family, name);
  REQUIRE(kind != nullptr);
  ProfileEntry entry;
  entry.kind = kind;
  entry.value = Exactly{value};
  entry.origin = "test.yaml:1:1";
  return entry;
}

Profiles two_profiles() {
  Profiles profiles;
  profiles["throughput"] = {
      "throughput",
      "",
      {entry(Family::sysctl, "vm.swappiness", "10"),
       entry(Family::sysctl, "vm.vfs_cache_pressure", "50"),
       entry(Family::block, "queue/read_ahead_kb", "4096"),
       entry(Family::block, "queue/scheduler", "none"),
       entry(Family::bdi, "read_ahead_kb", "16384"), entry(Family::thp, "enabled", "always")},
      {}};
  profiles["latency"] = {"latency",
                         "",
                         {entry(Family::sysctl, "vm.swappiness", "10"),
                          entry(Family::sysctl, "vm.vfs_cache_pressure", "100"),
                          entry(Family::block, "queue/rq_affinity", "1")},
                         {}};
  return profiles;
}

Lease lease(LeaseKind kind, const char* profile, std::vector<Store> stores) {
  return {kind, profile, to_string(kind), "test", false, std::move(stores)};
}

std::vector<std::string> names(const Desired& desired) {
  std::vector<std::string> found;
  for (const auto& [knob, want] : desired) found.push_back(knob);
  return found;
}

std::string text_of(const Policy::Decision& decision, const char* knob) {
  auto found = decision.desired.find(knob);
  return found == decision.desired.end() ? "" : std::get<Exactly>(found->second.value).text;
}

Policy automatic(PolicySettings settings = {}) {
  Policy policy(settings, two_profiles());
  policy.set_mode(Mode::automatic);
  return policy;
}

constexpr const char* pressure = "vm.vfs_cache_pressure";

}  // namespace

TEST_CASE("a load changes its own stores and what may change per load, nothing else") {
  Policy policy = automatic();
  policy.add(lease(LeaseKind::load, "throughput", {vda}));
  CHECK(names(policy.decide(100 * s, machine_of({vda, vdb, fuse})).desired) ==
        std::vector<std::string>{"block/vda/queue/read_ahead_kb", "vm.swappiness",
                                 "vm.vfs_cache_pressure"});
  CHECK(policy.state() == Policy::State::loading);
}

TEST_CASE("a store without disks has its bdi's knobs") {
  Policy policy = automatic();
  const auto id = policy.add(lease(LeaseKind::load, "throughput", {fuse}));
  CHECK(text_of(policy.decide(100 * s, machine_of({})), "bdi/0:44/read_ahead_kb") == "16384");
  policy.extend(id, vda);
  policy.extend(id, vda);
  CHECK(text_of(policy.decide(100 * s, machine_of({})), "block/vda/queue/read_ahead_kb") == "4096");
  CHECK(policy.lease(id)->stores.size() == 2);
}

TEST_CASE(
    "where others read from its store no load or suspect raises its read-ahead, a person does") {
  Policy policy = automatic();
  const auto load = policy.add(lease(LeaseKind::load, "throughput", {vda, fuse}));
  policy.share({fuse.bdi});
  const auto desired = policy.decide(100 * s, machine_of({})).desired;
  CHECK_FALSE(desired.contains("bdi/0:44/read_ahead_kb"));
  CHECK(desired.contains("block/vda/queue/read_ahead_kb"));
  CHECK(desired.contains(pressure));
  policy.remove(load);
  policy.add(lease(LeaseKind::suspect, "throughput", {fuse}));
  CHECK_FALSE(policy.decide(200 * s, machine_of({})).desired.contains("bdi/0:44/read_ahead_kb"));
  const auto hold = policy.add(lease(LeaseKind::hold, "throughput", {fuse}));
  CHECK(text_of(policy.decide(300 * s, machine_of({})), "bdi/0:44/read_ahead_kb") == "16384");
  policy.remove(hold);
  policy.share({});
  CHECK(text_of(policy.decide(400 * s, machine_of({})), "bdi/0:44/read_ahead_kb") == "16384");
}

TEST_CASE("under device mapper the read-ahead is the file system's, other knobs are the leaves'") {
  const Store mapped{"252:0", "block/dm-0/queue/read_ahead_kb", {"vda", "vdb"}, {"dm-0"}, "ext4"};
  Policy policy = automatic();
  policy.add(lease(LeaseKind::hold, "throughput", {mapped}));
  const auto desired = policy.decide(100 * s, machine_of({})).desired;
  CHECK(desired.contains("block/dm-0/queue/read_ahead_kb"));
  CHECK_FALSE(desired.contains("block/vda/queue/read_ahead_kb"));
  CHECK(desired.contains("block/vda/queue/scheduler"));
  CHECK(desired.contains("block/vdb/queue/scheduler"));
}

TEST_CASE("an unknown store asks for nothing") {
  Policy policy = automatic();
  policy.add(lease(LeaseKind::suspect, "throughput", {Store{}}));
  CHECK(policy.decide(100 * s, machine_of({})).desired.empty());
}

TEST_CASE("a suspect gets its store's read-ahead alone") {
  Policy policy = automatic();
  policy.add(lease(LeaseKind::suspect, "throughput", {vda}));
  CHECK(names(policy.decide(100 * s, machine_of({vda})).desired) ==
        std::vector<std::string>{"block/vda/queue/read_ahead_kb"});
  CHECK(policy.state() == Policy::State::idle);
}

TEST_CASE("of suspects that read from one store the newest asks, each store for itself") {
  Policy policy = automatic();
  const auto suspect = [&](const char* owner, const Store& store) {
    Lease one = lease(LeaseKind::suspect, "throughput", {store});
    one.owner = owner;
    return policy.add(std::move(one));
  };
  suspect("suspect 1", vda);
  const uint64_t newest = suspect("suspect 2", vda);
  suspect("suspect 3", fuse);
  const auto owner = [&](const char* knob) {
    return policy.decide(100 * s, machine_of({vda, fuse})).desired.at(knob).owner;
  };
  CHECK(owner("block/vda/queue/read_ahead_kb") == "suspect 2");
  CHECK(owner("bdi/0:44/read_ahead_kb") == "suspect 3");
  policy.remove(newest);
  CHECK(owner("block/vda/queue/read_ahead_kb") == "suspect 1");
}

TEST_CASE("a hold changes everything in its profile on the whole machine") {
  Policy policy = automatic();
  Lease hold = lease(LeaseKind::hold, "throughput", {});
  hold.whole_machine = true;
  policy.add(hold);
  CHECK(names(policy.decide(100 * s, machine_of({vda, fuse})).desired) ==
        std::vector<std::string>{"bdi/0:44/read_ahead_kb", "block/vda/queue/read_ahead_kb",
                                 "block/vda/queue/scheduler", "thp/enabled", "vm.swappiness",
                                 "vm.vfs_cache_pressure"});
}

TEST_CASE("the highest priority wins a knob, the newest among equals; the loser is named") {
  Policy policy = automatic();
  policy.add(lease(LeaseKind::hold, "throughput", {}));
  policy.add(lease(LeaseKind::server, "latency", {}));
  auto decision = policy.decide(100 * s, machine_of({}));
  CHECK(text_of(decision, pressure) == "50");
  CHECK(decision.desired.at(pressure).why == "test; overrules server (latency: 100)");
  policy.add(lease(LeaseKind::hold, "latency", {}));
  CHECK(text_of(policy.decide(101 * s, machine_of({})), pressure) == "100");
}

TEST_CASE("machine-wide knobs do not change for a load while anything serves") {
  Policy policy = automatic();
  policy.add(lease(LeaseKind::server, "latency", {}));
  policy.decide(100 * s, machine_of({}));
  policy.add(lease(LeaseKind::load, "throughput", {vda}));
  const auto decision = policy.decide(1000 * s, machine_of({}));
  CHECK(text_of(decision, pressure) == "100");
  CHECK(text_of(decision, "block/vda/queue/read_ahead_kb") == "4096");
  CHECK(policy.state() == Policy::State::loading);
}

TEST_CASE("machine-wide knobs keep their value for the dwell, device knobs do not") {
  Policy policy = automatic({60000, 30});
  const auto load = policy.add(lease(LeaseKind::load, "throughput", {vda}));
  policy.decide(100 * s, machine_of({}));
  policy.remove(load);
  const auto server = policy.add(lease(LeaseKind::server, "latency", {}));
  auto decision = policy.decide(110 * s, machine_of({}));
  CHECK(text_of(decision, pressure) == "50");
  CHECK_FALSE(decision.desired.contains("block/vda/queue/read_ahead_kb"));
  CHECK(decision.next_ns == 160 * s);
  decision = policy.decide(160 * s, machine_of({}));
  CHECK(text_of(decision, pressure) == "100");
  CHECK_FALSE(decision.next_ns);
  policy.remove(server);
  CHECK(text_of(policy.decide(161 * s, machine_of({})), pressure) == "100");
  CHECK(policy.decide(220 * s, machine_of({})).desired.empty());
}

TEST_CASE("an hour of swapping models writes no machine-wide knob more than the budget says") {
  Policy policy = automatic({1000, 5});
  std::string before;
  unsigned changes = 0;
  for (uint64_t minute = 1; minute <= 60; ++minute) {
    const auto load = policy.add(lease(LeaseKind::load, "throughput", {vda}));
    for (const uint64_t second : {0, 20}) {
      if (second == 20) policy.remove(load);
      const std::string now =
          text_of(policy.decide((minute * 60 + second) * s, machine_of({})), pressure);
      changes += now != before;
      before = now;
    }
  }
  CHECK(changes == 5);
}

TEST_CASE("what a person asks for waits for no dwell") {
  Policy policy = automatic();
  policy.add(lease(LeaseKind::server, "latency", {}));
  policy.decide(100 * s, machine_of({}));
  const auto hold = policy.add(lease(LeaseKind::hold, "throughput", {}));
  CHECK(text_of(policy.decide(101 * s, machine_of({})), pressure) == "50");
  policy.remove(hold);
  CHECK(text_of(policy.decide(102 * s, machine_of({})), pressure) == "100");
}

TEST_CASE("modes: manual obeys people alone, paused wants nothing") {
  Policy policy = automatic();
  policy.add(lease(LeaseKind::load, "throughput", {vda}));
  policy.decide(100 * s, machine_of({}));
  policy.set_mode(Mode::manual);
  CHECK(policy.decide(101 * s, machine_of({})).desired.empty());
  policy.add(lease(LeaseKind::hold, "latency", {}));
  CHECK(text_of(policy.decide(102 * s, machine_of({})), pressure) == "100");
  policy.set_mode(Mode::paused);
  CHECK(policy.decide(103 * s, machine_of({})).desired.empty());
  CHECK(policy.active_profiles().empty());
}

TEST_CASE("a store that is gone is no lease's any more") {
  Policy policy = automatic();
  policy.add(lease(LeaseKind::load, "throughput", {vda, fuse}));
  Lease named = lease(LeaseKind::hold, "throughput", {fuse});
  named.devices = {"0:44"};
  const uint64_t hold = policy.add(named);
  policy.drop_store("0:44");
  const Desired desired = policy.decide(s, {}).desired;
  CHECK_FALSE(desired.contains("bdi/0:44/read_ahead_kb"));
  CHECK(desired.contains("block/vda/queue/read_ahead_kb"));
  // The next mount of that number is another one.
  CHECK(policy.lease(hold)->devices.empty());
  policy.look_up([](const std::vector<std::string>&) { return std::vector<Store>{fuse}; });
  CHECK(policy.lease(hold)->stores.empty());
}

TEST_CASE("a lease of named devices follows their names") {
  Policy policy = automatic();
  Lease named = lease(LeaseKind::hold, "throughput", {vdb});
  named.devices = {"vdb"};
  policy.add(named);
  policy.add(lease(LeaseKind::server, "latency", {vda}));
  std::vector<Store> found;
  const auto find = [&](const std::vector<std::string>& names) {
    CHECK(names == std::vector<std::string>{"vdb"});
    return found;
  };
  policy.drop_store(vdb.bdi);
  policy.look_up(find);
  CHECK_FALSE(policy.decide(s, {}).desired.contains("block/vdb/queue/read_ahead_kb"));
  found = {vdb};
  policy.look_up(find);
  CHECK(policy.decide(s, {}).desired.contains("block/vdb/queue/read_ahead_kb"));
  CHECK(policy.decide(s, {}).desired.contains("block/vda/queue/rq_affinity"));
}
