// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/expand.h"

#include "tests/catch.h"
#include "tests/unit/operator_directory.h"

using namespace tuneshift;

namespace {

const Store nvme{"259:0", "block/nvme0n1/queue/read_ahead_kb", {"nvme0n1"}, {}, "xfs"};
const Store spinning{"8:0", "block/sda/queue/read_ahead_kb", {"sda"}, {}, "ext4"};
const Store mixed{"253:0", "block/dm-0/queue/read_ahead_kb", {"nvme0n1", "sda"}, {"dm-0"}, "ext4"};
const Store fuse{"0:44", "bdi/0:44/read_ahead_kb", {}, {}, "fuse.gcsfuse"};
const Store nfs{"0:45", "bdi/0:45/read_ahead_kb", {}, {}, "nfs4"};
const Store btrfs{"btrfs-1", "bdi/btrfs-1/read_ahead_kb", {"sda"}, {}, "btrfs"};

Machine machine() {
  Machine machine;
  machine.disks["nvme0n1"] = {"nvme", "", "nvme", false, true, false};
  machine.disks["sda"] = {"sata", "", "sd", true, true, false};
  machine.cpu_policies = {"policy0", "policy4"};
  machine.memory_bytes = 1LL << 30;
  return machine;
}

/// "knob=value", one a line, of a profile on some stores.
std::string expanded(const std::string& text, const std::vector<Store>& stores) {
  OperatorDirectory directory;
  directory.write("x.yaml", text);
  Diagnostics mistakes;
  const Profiles profiles = read_profiles({directory.path()}, mistakes);
  CHECK(directory.print(mistakes).empty());
  std::string lines;
  for (const auto& [knob, entry] : expand(profiles.at("x"), stores, machine())) {
    lines += knob + "=" + to_string(entry->value) + "\n";
  }
  return lines;
}

}  // namespace

TEST_CASE("a rule applies to the disks that it matches") {
  const std::string profile =
      "block: {queue/nomerges: 0, queue/read_ahead_kb: 4096}\n"
      "rules:\n"
      "  - match: {rotational: true}\n"
      "    block: {queue/nomerges: 1, queue/read_ahead_kb: 8192}\n";
  CHECK(expanded(profile, {nvme, spinning}) ==
        "block/nvme0n1/queue/nomerges=0\n"
        "block/nvme0n1/queue/read_ahead_kb=4096\n"
        "block/sda/queue/nomerges=1\n"
        "block/sda/queue/read_ahead_kb=8192\n");
  // A knob of several disks: all must match.
  CHECK(expanded(profile, {mixed}) ==
        "block/dm-0/queue/read_ahead_kb=4096\n"
        "block/nvme0n1/queue/nomerges=0\n"
        "block/sda/queue/nomerges=1\n");
}

TEST_CASE("a rule on the file system applies to its stores") {
  const std::string profile =
      "bdi: {read_ahead_kb: 4096}\n"
      "rules:\n"
      "  - match: {file_system: nfs}\n"
      "    bdi: {read_ahead_kb: 1024}\n"
      "    sysctl: {sunrpc.tcp_slot_table_entries: 128}\n"
      "  - match: {file_system: fuse}\n"
      "    fuse: {max_background: 96}\n";
  CHECK(expanded(profile, {fuse}) == "bdi/0:44/read_ahead_kb=4096\nfuse/44/max_background=96\n");
  CHECK(expanded(profile, {nfs, nvme}) ==
        "bdi/0:45/read_ahead_kb=1024\nsunrpc.tcp_slot_table_entries=128\n");
}

TEST_CASE("a machine-wide knob follows a disk condition when any disk in scope matches") {
  const std::string profile =
      "rules:\n"
      "  - match: {rotational: true}\n"
      "    sysctl: {vm.swappiness: 1}\n";
  CHECK(expanded(profile, {nvme, spinning}) == "vm.swappiness=1\n");
  CHECK(expanded(profile, {nvme}).empty());
  CHECK(expanded(profile, {}).empty());
}

TEST_CASE("conditions of a file and of its rule must both hold") {
  CHECK(expanded("match: {memory: {at_most: 2GiB}}\nsysctl: {vm.swappiness: 1}\n", {}) ==
        "vm.swappiness=1\n");
  CHECK(expanded("match: {memory: {at_least: 2GiB}}\nsysctl: {vm.swappiness: 1}\n"
                 "rules: [{match: {rotational: false}, sysctl: {vm.stat_interval: 2}}]\n",
                 {nvme})
            .empty());
}

TEST_CASE("what a rule drops is not asked where it matches") {
  const std::string profile =
      "block: {queue/nomerges: 0}\n"
      "cgroup: {a.service: {cpu.weight: 500, io.weight: 500}, b.service: {cpu.weight: 1}}\n"
      "rules:\n"
      "  - match: {transport: nvme}\n"
      "    drop: {block: [queue/nomerges], cgroup: {a.service: [cpu.weight]}}\n";
  CHECK(expanded(profile, {nvme, spinning}) ==
        "block/sda/queue/nomerges=0\n"
        "cgroup/a.service/io.weight=500\n"
        "cgroup/b.service/cpu.weight=1\n");
}

TEST_CASE("knobs that there are several of are asked for each") {
  CHECK(expanded("cpu: {scaling_governor: performance, intel_pstate/no_turbo: 0}\n", {}) ==
        "cpu/intel_pstate/no_turbo=0\n"
        "cpu/policy0/scaling_governor=performance\n"
        "cpu/policy4/scaling_governor=performance\n");
  CHECK(expanded("cgroup: {b.slice: {io.latency: 50}}\n", {mixed, fuse}) ==
        "cgroup/b.slice/io.latency/nvme0n1=50\ncgroup/b.slice/io.latency/sda=50\n");
  CHECK(expanded("block: {dm/migration_threshold: 9}\n", {mixed, nvme}) ==
        "block/dm-0/dm/migration_threshold=9\n");
}

TEST_CASE("btrfs has disks and a read-ahead of its own") {
  CHECK(expanded("block: {queue/read_ahead_kb: 4096, queue/nomerges: 0}\n"
                 "bdi: {read_ahead_kb: 1}\n",
                 {btrfs}) == "bdi/btrfs-1/read_ahead_kb=4096\nblock/sda/queue/nomerges=0\n");
}
