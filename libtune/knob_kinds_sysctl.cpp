// SPDX-License-Identifier: LGPL-2.1-or-later
#include <limits>

#include "libtune/knob_kinds.h"

namespace tuneshift {

namespace {

using std::nullopt;

constexpr int64_t kLargestInt = std::numeric_limits<int32_t>::max();
constexpr std::string_view kVm = "Documentation/admin-guide/sysctl/vm.rst";
constexpr std::string_view kKernel = "Documentation/admin-guide/sysctl/kernel.rst";
constexpr std::string_view kNet = "Documentation/admin-guide/sysctl/net.rst";
constexpr std::string_view kIp = "Documentation/networking/ip-sysctl.rst";
constexpr std::string_view kFs = "Documentation/admin-guide/sysctl/fs.rst";
constexpr std::string_view kSunrpc = "net/sunrpc/xprtsock.c";

KnobInfo number(std::string_view name, std::string_view unit, int64_t minimum,
                std::optional<int64_t> maximum, std::string_view source) {
  return number_kind(Family::sysctl, name, unit, minimum, maximum, source);
}

KnobInfo text(std::string_view name, std::string_view unit, std::string_view source) {
  KnobInfo info;
  info.name = name;
  info.type = ValueType::text;
  info.unit = unit;
  info.source = source;
  return info;
}

KnobInfo dirty(std::string_view name, std::string_view unit, int64_t minimum,
               std::optional<int64_t> maximum, std::string_view twin) {
  KnobInfo info = number(name, unit, minimum, maximum, "mm/page-writeback.c");
  info.excludes = twin;
  info.waits_for_writeback = true;
  return info;
}

std::vector<KnobInfo> vm_kinds() {
  return {
      number("vm.swappiness", "", 0, 200, kVm),
      number("vm.vfs_cache_pressure", "percent", 0, kLargestInt, kVm),
      // With pages of 64 KiB and huge ones the kernel's own is several GiB (mm/khugepaged.c,
      // set_recommended_min_free_kbytes()).
      on_request(number("vm.min_free_kbytes", "KiB", 1024, 64 << 20, kVm)),
      number("vm.watermark_scale_factor", "", 1, 3000, kVm),
      number("vm.watermark_boost_factor", "", 0, kLargestInt, kVm),
      number("vm.zone_reclaim_mode", "", 0, 7, kVm),
      number("vm.min_unmapped_ratio", "percent", 0, 100, kVm),
      number("vm.min_slab_ratio", "percent", 0, 100, kVm),
      // A write other than 0 starts a compaction at once.
      number("vm.compaction_proactiveness", "", 0, 100, kVm),
      number("vm.compact_unevictable_allowed", "", 0, 1, kVm),
      number("vm.extfrag_threshold", "", 0, 1000, kVm),
      number("vm.stat_interval", "seconds", 1, 3600, kVm),
      number("vm.page-cluster", "", 0, 31, kVm),
      number("vm.page_lock_unfairness", "", 0, 1000, kVm),
      number("vm.max_map_count", "", 1024, kLargestInt, kVm),
      number("vm.laptop_mode", "seconds", 0, kLargestInt, kVm),
      dirty("vm.dirty_bytes", "bytes", 8192, nullopt, "vm.dirty_ratio"),
      dirty("vm.dirty_ratio", "percent", 0, 100, "vm.dirty_bytes"),
      dirty("vm.dirty_background_bytes", "bytes", 4096, nullopt, "vm.dirty_background_ratio"),
      dirty("vm.dirty_background_ratio", "percent", 0, 100, "vm.dirty_background_bytes"),
      number("vm.dirty_expire_centisecs", "1/100 s", 0, kLargestInt, kVm),
      number("vm.dirty_writeback_centisecs", "1/100 s", 0, kLargestInt, kVm),
  };
}

std::vector<KnobInfo> kernel_kinds() {
  return {
      number("kernel.numa_balancing", "", 0, 3, kKernel),
      number("kernel.numa_balancing_promote_rate_limit_MBps", "MB/s", 0, kLargestInt, kKernel),
      number("kernel.nmi_watchdog", "", 0, 1, kKernel),
      number("kernel.timer_migration", "", 0, 1, "kernel/time/timer.c"),
      number("kernel.sched_autogroup_enabled", "", 0, 1, "kernel/sched/autogroup.c"),
      number("kernel.sched_cfs_bandwidth_slice_us", "µs", 1, 1000000,
             "Documentation/scheduler/sched-bwc.rst"),
      number("kernel.sched_rr_timeslice_ms", "ms", 1, 10000, "kernel/sched/rt.c"),
      number("kernel.hung_task_timeout_secs", "seconds", 0, 1 << 20, kKernel),
  };
}

std::vector<KnobInfo> net_kinds() {
  return {
      number("net.core.rmem_max", "bytes", 4096, kLargestInt, kNet),
      number("net.core.rmem_default", "bytes", 4096, kLargestInt, kNet),
      number("net.core.wmem_max", "bytes", 8192, kLargestInt, kNet),
      number("net.core.wmem_default", "bytes", 8192, kLargestInt, kNet),
      number("net.core.optmem_max", "bytes", 1024, kLargestInt, kNet),
      number("net.core.netdev_max_backlog", "packets", 1, kLargestInt, kNet),
      number("net.core.netdev_budget", "packets", 1, kLargestInt, kNet),
      number("net.core.netdev_budget_usecs", "µs", 1, kLargestInt, kNet),
      number("net.core.dev_weight", "packets", 1, 65535, kNet),
      number("net.core.somaxconn", "", 1, kLargestInt, kNet),
      number("net.core.busy_read", "µs", 0, 1000000, kNet),
      number("net.core.busy_poll", "µs", 0, 1000000, kNet),
      text("net.core.default_qdisc", "", kNet),
      text("net.ipv4.tcp_rmem", "bytes", kIp),
      text("net.ipv4.tcp_wmem", "bytes", kIp),
      text("net.ipv4.tcp_congestion_control", "", kIp),
      number("net.ipv4.tcp_slow_start_after_idle", "", 0, 1, kIp),
      number("net.ipv4.tcp_mtu_probing", "", 0, 2, kIp),
      number("net.ipv4.tcp_fastopen", "", 0, kLargestInt, kIp),
      number("net.ipv4.tcp_max_syn_backlog", "", 1, kLargestInt, kIp),
      number("net.ipv4.tcp_autocorking", "", 0, 1, kIp),
      number("net.ipv4.tcp_no_metrics_save", "", 0, 1, kIp),
      number("net.ipv4.tcp_tw_reuse", "", 0, 2, kIp),
      number("net.ipv4.tcp_fin_timeout", "seconds", 1, 3600, kIp),
  };
}

std::vector<KnobInfo> service_kinds() {
  KnobInfo pipe_size = number("fs.pipe-max-size", "bytes", 4096, kLargestInt, kFs);
  pipe_size.rounding = Rounding::power_of_two;
  return {
      // Mounts that are made later take these; those that are there keep what they have.
      number("sunrpc.tcp_slot_table_entries", "", 2, 65536, kSunrpc),
      number("sunrpc.tcp_max_slot_table_entries", "", 2, 65536, kSunrpc),
      number("sunrpc.udp_slot_table_entries", "", 2, 128, kSunrpc),
      number("fs.aio-max-nr", "", 0, kLargestInt, kFs),
      pipe_size,
  };
}

}  // namespace

std::vector<KnobInfo> sysctl_kinds() {
  std::vector<KnobInfo> kinds = vm_kinds();
  for (auto& some : {kernel_kinds(), net_kinds(), service_kinds()}) {
    kinds.insert(kinds.end(), some.begin(), some.end());
  }
  return kinds;
}

}  // namespace tuneshift
