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
    CHECK_FALSE((kind.freezes_queue && kind.per_load));
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
