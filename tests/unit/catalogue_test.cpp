// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/catalogue.h"

#include <set>

#include "tests/catch.h"
#include "tests/unit/machine_tree.h"

using namespace tuneshift;
using namespace tuneshift::test;

TEST_CASE("every alias of a knob leads to its one name and file") {
  const KernelTree tree = machine_tree();
  const KernelFs kernel = tree.open();
  const auto [alias, name, path] = GENERATE(table<std::string, std::string, std::string>({
      {"vm.swappiness", "vm.swappiness", "proc/sys/vm/swappiness"},
      {"vm/swappiness", "vm.swappiness", "proc/sys/vm/swappiness"},
      {"/proc/sys/vm/swappiness", "vm.swappiness", "proc/sys/vm/swappiness"},
      {"block/vda/queue/read_ahead_kb", "block/vda/queue/read_ahead_kb",
       "sys/block/vda/queue/read_ahead_kb"},
      {"block/vda1/queue/read_ahead_kb", "block/vda/queue/read_ahead_kb",
       "sys/block/vda/queue/read_ahead_kb"},
      {"block/vda/bdi/read_ahead_kb", "block/vda/queue/read_ahead_kb",
       "sys/block/vda/queue/read_ahead_kb"},
      {"bdi/254:0/read_ahead_kb", "block/vda/queue/read_ahead_kb",
       "sys/block/vda/queue/read_ahead_kb"},
      {"bdi/254:1/read_ahead_kb", "block/vda/queue/read_ahead_kb",
       "sys/block/vda/queue/read_ahead_kb"},
      {"sys/class/bdi/254:0/read_ahead_kb", "block/vda/queue/read_ahead_kb",
       "sys/block/vda/queue/read_ahead_kb"},
      {"bdi/0:44/read_ahead_kb", "bdi/0:44/read_ahead_kb", "sys/class/bdi/0:44/read_ahead_kb"},
      {"bdi/00:044/read_ahead_kb", "bdi/0:44/read_ahead_kb", "sys/class/bdi/0:44/read_ahead_kb"},
      {"/sys/block/vda/queue/nr_requests", "block/vda/queue/nr_requests",
       "sys/block/vda/queue/nr_requests"},
      {"block/nvme9n9/queue/nr_requests", "block/nvme9n9/queue/nr_requests",
       "sys/block/nvme9n9/queue/nr_requests"},
      {"thp/khugepaged/defrag", "thp/khugepaged/defrag",
       "sys/kernel/mm/transparent_hugepage/khugepaged/defrag"},
      {"/sys/block/vda/bcache/sequential_cutoff", "block/vda/bcache/sequential_cutoff",
       "sys/block/vda/bcache/sequential_cutoff"},
      {"block/dm-0/dm/migration_threshold", "block/dm-0/dm/migration_threshold",
       "device-mapper/dm-0/migration_threshold"},
      {"bdi/btrfs-1/read_ahead_kb", "bdi/btrfs-1/read_ahead_kb",
       "sys/class/bdi/btrfs-1/read_ahead_kb"},
      {"/sys/fs/fuse/connections/44/max_background", "fuse/44/max_background",
       "sys/fs/fuse/connections/44/max_background"},
      {"cpu/policy4/scaling_governor", "cpu/policy4/scaling_governor",
       "sys/devices/system/cpu/cpufreq/policy4/scaling_governor"},
      {"/sys/devices/system/cpu/cpufreq/policy4/scaling_governor", "cpu/policy4/scaling_governor",
       "sys/devices/system/cpu/cpufreq/policy4/scaling_governor"},
      {"/sys/devices/system/cpu/cpu5/cpufreq/scaling_governor", "cpu/policy4/scaling_governor",
       "sys/devices/system/cpu/cpufreq/policy4/scaling_governor"},
      {"/sys/devices/system/cpu/intel_pstate/no_turbo", "cpu/intel_pstate/no_turbo",
       "sys/devices/system/cpu/intel_pstate/no_turbo"},
      {"/dev/cpu_dma_latency", "pm_qos/cpu_dma_latency", "dev/cpu_dma_latency"},
      {"cgroup/vllm@a.service/cpu.weight", "cgroup/vllm@a.service/cpu.weight",
       "systemd/vllm@a.service/CPUWeight"},
      {"cgroup/system.slice/io.latency/vda", "cgroup/system.slice/io.latency/vda",
       "systemd/system.slice/IODeviceLatencyTargetUSec/vda"},
      {"lru_gen/min_ttl_ms", "lru_gen/min_ttl_ms", "sys/kernel/mm/lru_gen/min_ttl_ms"},
      {"/sys/kernel/debug/fault_around_bytes", "debugfs/fault_around_bytes",
       "sys/kernel/debug/fault_around_bytes"},
      {"sunrpc.tcp_slot_table_entries", "sunrpc.tcp_slot_table_entries",
       "proc/sys/sunrpc/tcp_slot_table_entries"},
      {"transparent_hugepage/enabled", "thp/enabled", "sys/kernel/mm/transparent_hugepage/enabled"},
  }));
  INFO(alias);
  const auto knob = resolve_knob(kernel, alias);
  REQUIRE(knob);
  CHECK(knob.value().name == name);
  CHECK(knob.value().path == path);
  REQUIRE(knob.value().kind != nullptr);
  const auto again = resolve_knob(kernel, knob.value().name);
  REQUIRE(again);
  CHECK(again.value().name == name);
}

TEST_CASE("a name outside the catalogue is no knob") {
  const KernelTree tree = machine_tree();
  const KernelFs kernel = tree.open();
  for (const std::string name : {"",
                                 "/",
                                 "vm",
                                 "vm.",
                                 ".vm.swappiness",
                                 "vm..swappiness",
                                 "vm.panic_on_oom",
                                 "kernel.core_pattern",
                                 "block/vda",
                                 "block//queue/scheduler",
                                 "block/../queue/scheduler",
                                 "block/./queue/scheduler",
                                 "block/vda/../vda/queue/scheduler",
                                 "block/vda/queue/../queue/scheduler",
                                 "block/vda/queue/scheduler/",
                                 "block/vda/queue/rotational",
                                 "block/v da/queue/scheduler",
                                 "block/vd\na/queue/scheduler",
                                 "bdi/0:44",
                                 "bdi/0:44/max_ratio",
                                 "bdi/../0:44/read_ahead_kb",
                                 "bdi/0:-1/read_ahead_kb",
                                 "bdi/0:44:1/read_ahead_kb",
                                 "bdi/:/read_ahead_kb",
                                 "thp/",
                                 "thp/../ksm/run",
                                 "sysctl/vm.swappiness",
                                 "bdi/btrfs-x/read_ahead_kb",
                                 "bdi/btrfs-/read_ahead_kb",
                                 "fuse/../max_background",
                                 "fuse/44/abort",
                                 "cpu/policy0/../policy0/scaling_governor",
                                 "cpu/policy/scaling_governor",
                                 "block/vda/bcache/cache_mode",
                                 "cpu/policy0/intel_pstate/no_turbo",
                                 "cpu/cpu9/cpufreq/scaling_governor",
                                 "dev/sda",
                                 "pm_qos/",
                                 "cgroup/x/cpu.weight",
                                 "cgroup/../x.service/cpu.weight",
                                 "cgroup/x.service/cpu.weight/vda",
                                 "cgroup/x.service/io.latency",
                                 "cgroup/x.service/io.latency/../vda",
                                 "cgroup/x.service/cpu.max",
                                 "lru_gen/enabled",
                                 "debugfs/../fault_around_bytes",
                                 "../proc/sys/vm/swappiness",
                                 "/proc/sys/../sys/vm/swappiness"}) {
    INFO(name);
    const auto knob = resolve_knob(kernel, name);
    REQUIRE_FALSE(knob);
    CHECK(knob.error().code == ErrorCode::not_found);
  }
  CHECK_FALSE(resolve_knob(kernel, std::string("vm.swappiness\0", 14)));
  CHECK(resolve_knob(kernel, "a\n\xff").error().message == "no knob 'a\\x0a\\xff'");
  CHECK_FALSE(resolve_knob(kernel, std::string(100000, 'a')));
}

TEST_CASE("the catalogue has each kind once and knows what a kind moves") {
  std::set<std::pair<Family, std::string_view>> seen;
  for (const KnobInfo& kind : catalogue()) {
    INFO(kind.name);
    CHECK(seen.emplace(kind.family, kind.name).second);
    CHECK(find_kind(kind.family, kind.name) == &kind);
    CHECK_FALSE(kind.source.empty());
    CHECK_FALSE((kind.freezes_queue && kind.use == Use::per_load));
    CHECK((kind.target == Target::unit || kind.target == Target::unit_disk) ==
          !kind.property.empty());
    CHECK(find_advice(kind.name) == nullptr);
    for (const std::string_view moved : kind.moves) {
      CHECK((find_kind(kind.family, moved) != nullptr ||
             find_kind(Family::sysctl, moved) != nullptr));
    }
    if (!kind.excludes.empty()) {
      const KnobInfo* twin = find_kind(kind.family, kind.excludes);
      REQUIRE(twin != nullptr);
      CHECK(twin->excludes == kind.name);
    }
  }
  CHECK(find_kind(Family::block, "vm.swappiness") == nullptr);
}

TEST_CASE("a knob's name is made of its kind and its place") {
  const KernelTree tree = machine_tree();
  const KernelFs kernel = tree.open();
  for (const KnobInfo& kind : catalogue()) {
    const bool of_cpu = kind.target == Target::cpu_policy;
    const bool of_fuse = kind.target == Target::fuse_connection;
    const bool of_bdi = kind.target == Target::bdi;
    const std::string device = of_cpu ? "policy0" : of_fuse ? "44" : of_bdi ? "0:44" : "vda";
    const std::string name = knob_name(kind, {device, "a.slice"});
    INFO(name);
    const auto knob = resolve_knob(kernel, name);
    REQUIRE(knob);
    CHECK(knob.value().name == name);
    CHECK(knob.value().kind == &kind);
  }
}

TEST_CASE("the catalogue's files exist in a real kernel") {
  const KernelFs kernel = KernelFs::open("/").value();
  for (const char* name : {"vm.swappiness", "vm.dirty_bytes", "vm.min_free_kbytes",
                           "vm.watermark_scale_factor", "net.core.rmem_max", "net.ipv4.tcp_rmem"}) {
    INFO(name);
    CHECK(kernel.exists(resolve_knob(kernel, name).value().path));
  }
}

TEST_CASE("a misspelt knob is suggested only from near by and from its own family") {
  CHECK(suggest_kind(Family::sysctl, "vm.swapiness") == "vm.swappiness");
  CHECK(suggest_kind(Family::block, "queue/read_ahead") == "queue/read_ahead_kb");
  CHECK(suggest_kind(Family::block, "vm.swapiness").empty());
  CHECK(suggest_kind(Family::sysctl, "kernel.core_pattern").empty());
  CHECK(suggest_kind(Family::sysctl, std::string(1 << 20, 'a')).empty());
}
