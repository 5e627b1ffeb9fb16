// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/catalogue.h"

#include <limits>

#include "libtune/suggest.h"

namespace tuneshift {

namespace {

using std::nullopt;

constexpr int64_t kLargestInt = std::numeric_limits<int32_t>::max();
constexpr int64_t kLargestReadAheadKib = 1 << 20;

KnobInfo sysctl(std::string_view name, std::string_view unit, std::optional<int64_t> minimum,
                std::optional<int64_t> maximum, std::string_view source) {
  return {.family = Family::sysctl,
          .name = name,
          .scope = Scope::machine,
          .type = ValueType::integer,
          .unit = unit,
          .minimum = minimum,
          .maximum = maximum,
          .freezes_queue = false,
          .per_load = true,
          .restore = Restore::write_back,
          .moves = {},
          .excludes = {},
          .ceiling = {},
          .source = source};
}

KnobInfo dirty(std::string_view name, std::string_view unit, int64_t minimum,
               std::optional<int64_t> maximum, std::string_view twin) {
  KnobInfo info = sysctl(name, unit, minimum, maximum, "mm/page-writeback.c");
  info.excludes = twin;
  return info;
}

KnobInfo queue(std::string_view name, std::string_view unit, int64_t minimum, int64_t maximum,
               std::string_view source) {
  KnobInfo info = sysctl(name, unit, minimum, maximum, source);
  info.family = Family::block;
  info.scope = Scope::device;
  return info;
}

KnobInfo freezing(KnobInfo info, std::vector<std::string_view> moves) {
  info.freezes_queue = true;
  info.per_load = false;
  info.moves = std::move(moves);
  return info;
}

KnobInfo thp(std::string_view name) {
  KnobInfo info = sysctl(name, "", nullopt, nullopt, "Documentation/admin-guide/mm/transhuge.rst");
  info.family = Family::thp;
  info.type = ValueType::choice;
  info.per_load = false;
  return info;
}

KnobInfo with_type(KnobInfo info, ValueType type) {
  info.type = type;
  info.minimum = info.maximum = nullopt;
  return info;
}

std::vector<KnobInfo> sysctl_kinds() {
  constexpr std::string_view kVmDocument = "Documentation/admin-guide/sysctl/vm.rst";
  constexpr std::string_view kKernelDocument = "Documentation/admin-guide/sysctl/kernel.rst";
  constexpr std::string_view kNetDocument = "Documentation/admin-guide/sysctl/net.rst";
  KnobInfo min_free = sysctl("vm.min_free_kbytes", "KiB", 1024, 4 << 20, kVmDocument);
  min_free.per_load = false;
  return {
      sysctl("vm.swappiness", "", 0, 200, kVmDocument),
      sysctl("vm.vfs_cache_pressure", "percent", 0, kLargestInt, kVmDocument),
      min_free,
      sysctl("vm.watermark_scale_factor", "", 1, 3000, kVmDocument),
      sysctl("vm.zone_reclaim_mode", "", 0, 7, kVmDocument),
      sysctl("vm.compaction_proactiveness", "", 0, 100, kVmDocument),
      sysctl("vm.stat_interval", "seconds", 1, 3600, kVmDocument),
      dirty("vm.dirty_bytes", "bytes", 8192, nullopt, "vm.dirty_ratio"),
      dirty("vm.dirty_ratio", "percent", 0, 100, "vm.dirty_bytes"),
      dirty("vm.dirty_background_bytes", "bytes", 4096, nullopt, "vm.dirty_background_ratio"),
      dirty("vm.dirty_background_ratio", "percent", 0, 100, "vm.dirty_background_bytes"),
      sysctl("kernel.numa_balancing", "", 0, 3, kKernelDocument),
      sysctl("kernel.nmi_watchdog", "", 0, 1, kKernelDocument),
      sysctl("kernel.timer_migration", "", 0, 1, "kernel/time/timer.c"),
      sysctl("net.core.rmem_max", "bytes", 4096, kLargestInt, kNetDocument),
      with_type(sysctl("net.ipv4.tcp_rmem", "bytes", nullopt, nullopt,
                       "Documentation/networking/ip-sysctl.rst"),
                ValueType::text),
      sysctl("net.core.busy_read", "µs", 0, 1000000, kNetDocument),
      sysctl("net.core.busy_poll", "µs", 0, 1000000, kNetDocument),
  };
}

std::vector<KnobInfo> block_kinds() {
  constexpr std::string_view kDocument = "Documentation/ABI/stable/sysfs-block";
  KnobInfo max_sectors = freezing(queue("queue/max_sectors_kb", "KiB", 4, kLargestInt, kDocument),
                                  {"queue/read_ahead_kb"});
  max_sectors.ceiling = "queue/max_hw_sectors_kb";
  // A number puts wbt into its manual state: only -1 leads back to the kernel's default.
  KnobInfo wbt = freezing(queue("queue/wbt_lat_usec", "µs", 0, kLargestInt, kDocument), {});
  wbt.restore = Restore::wbt_default;
  return {
      queue("queue/read_ahead_kb", "KiB", 0, kLargestReadAheadKib, kDocument),
      freezing(with_type(queue("queue/scheduler", "", 0, 0, kDocument), ValueType::choice),
               {"queue/nr_requests", "queue/wbt_lat_usec"}),
      freezing(queue("queue/nr_requests", "", 4, 65535, kDocument), {}),
      max_sectors,
      queue("queue/rq_affinity", "", 0, 2, kDocument),
      queue("queue/nomerges", "", 0, 2, kDocument),
      wbt,
      freezing(queue("queue/iostats", "", 0, 1, kDocument), {"queue/read_ahead_kb"}),
  };
}

std::vector<KnobInfo> other_kinds() {
  KnobInfo read_ahead = queue("read_ahead_kb", "KiB", 0, kLargestReadAheadKib,
                              "Documentation/ABI/testing/sysfs-class-bdi");
  read_ahead.family = Family::bdi;
  // Starting or stopping khugepaged computes vm.min_free_kbytes anew.
  KnobInfo enabled = thp("enabled");
  enabled.moves = {"vm.min_free_kbytes"};
  KnobInfo shmem_enabled = thp("shmem_enabled");
  shmem_enabled.moves = enabled.moves;
  KnobInfo khugepaged = with_type(thp("khugepaged/defrag"), ValueType::integer);
  khugepaged.minimum = 0;
  khugepaged.maximum = 1;
  return {read_ahead, enabled, thp("defrag"), shmem_enabled, khugepaged};
}

std::vector<KnobInfo> all_kinds() {
  std::vector<KnobInfo> kinds = sysctl_kinds();
  for (auto& some : {block_kinds(), other_kinds()}) {
    kinds.insert(kinds.end(), some.begin(), some.end());
  }
  return kinds;
}

}  // namespace

const char* to_string(Family family) {
  switch (family) {
    case Family::sysctl:
      return "sysctl";
    case Family::block:
      return "block";
    case Family::bdi:
      return "bdi";
    case Family::thp:
      break;
  }
  return "thp";
}

const std::vector<KnobInfo>& catalogue() {
  static const std::vector<KnobInfo> kinds = all_kinds();
  return kinds;
}

const KnobInfo* find_kind(Family family, std::string_view name) {
  for (const KnobInfo& kind : catalogue()) {
    if (kind.family == family && kind.name == name) return &kind;
  }
  return nullptr;
}

std::string suggest_kind(Family family, std::string_view name) {
  std::vector<std::string_view> names;
  for (const KnobInfo& kind : catalogue()) {
    if (kind.family == family) names.push_back(kind.name);
  }
  return nearest(name, names);
}

}  // namespace tuneshift
