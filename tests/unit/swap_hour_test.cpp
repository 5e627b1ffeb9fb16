// SPDX-License-Identifier: LGPL-2.1-or-later
// A node that swaps models once a minute for an hour, in virtual time: policy and applier together.
#include <map>

#include "libtune/policy.h"
#include "tests/catch.h"
#include "tests/unit/applier_rig.h"
#include "tests/unit/operator_directory.h"

using namespace tuneshift;
using namespace tuneshift::test;

namespace {

constexpr uint64_t kSecond = 1'000'000'000;

Profiles profiles() {
  OperatorDirectory directory;
  directory.write("throughput.yaml",
                  "sysctl: {vm.swappiness: 10, vm.dirty_ratio: 30}\n"
                  "block: {queue/read_ahead_kb: 4096}\n");
  directory.write("latency.yaml",
                  "sysctl: {vm.swappiness: 20, vm.dirty_ratio: 10}\n"
                  "block: {queue/rq_affinity: 2}\n");
  Diagnostics mistakes;
  return read_profiles({directory.path()}, mistakes);
}

}  // namespace

TEST_CASE("swapping models for an hour, the kernel sees no more writes than the budget says") {
  Rig rig;
  constexpr uint32_t kBudget = 5;
  Policy policy({1000, kBudget}, profiles());
  policy.set_mode(Mode::automatic);
  const Store vda = find_store_by_name(rig.kernel, "vda").value();
  const Machine machine;
  std::optional<uint64_t> due;
  const auto settle = [&](uint64_t now_ns) {
    const Policy::Decision decision = policy.decide(now_ns, machine);
    due = decision.next_ns;
    rig.converge(decision.desired);
  };
  for (uint64_t minute = 0; minute < 60; ++minute) {
    const uint64_t begin = (minute * 60 + 1) * kSecond;
    const auto load = policy.add({LeaseKind::load, "throughput", "load", "", false, {vda}});
    settle(begin);
    policy.remove(load);
    const auto server = policy.add({LeaseKind::server, "latency", "server", "", false, {vda}});
    settle(begin + 20 * kSecond);
    if (due && *due < begin + 50 * kSecond) settle(*due);
    policy.remove(server);
    settle(begin + 50 * kSecond);
  }
  std::map<std::string, uint32_t> writes;
  for (const std::string& write : rig.kernel.writes) ++writes[write.substr(0, write.find('='))];
  CHECK(writes.at(kSwappiness) == kBudget);
  CHECK(writes.at(kDirtyRatio) == kBudget);
  // Device knobs follow each load and each server: there and back.
  CHECK(writes.at(kVda + "read_ahead_kb") == 120);
  CHECK(writes.at(kVda + "rq_affinity") == 120);
}
