// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/knob_kinds.h"

namespace tuneshift {

namespace {

constexpr std::string_view kThp = "Documentation/admin-guide/mm/transhuge.rst";
constexpr std::string_view kCpuFreq = "Documentation/admin-guide/pm/cpufreq.rst";
constexpr std::string_view kPstate = "Documentation/admin-guide/pm/intel_pstate.rst";

KnobInfo clamped(KnobInfo info) {
  info.rounding = Rounding::clamped;
  return info;
}

std::vector<KnobInfo> huge_page_kinds() {
  // Starting or stopping khugepaged computes vm.min_free_kbytes anew.
  KnobInfo enabled = on_request(choice_kind(Family::thp, "enabled", kThp));
  enabled.moves = {"vm.min_free_kbytes"};
  KnobInfo shmem_enabled = on_request(choice_kind(Family::thp, "shmem_enabled", kThp));
  shmem_enabled.moves = enabled.moves;
  return {
      enabled,
      on_request(choice_kind(Family::thp, "defrag", kThp)),
      shmem_enabled,
      on_request(number_kind(Family::thp, "khugepaged/defrag", "", 0, 1, kThp)),
      on_request(
          number_kind(Family::thp, "khugepaged/scan_sleep_millisecs", "ms", 0, 3600000, kThp)),
      on_request(number_kind(Family::thp, "khugepaged/pages_to_scan", "pages", 1, 1 << 20, kThp))};
}

std::vector<KnobInfo> cpu_kinds() {
  // intel_pstate sets the preference anew when the governor becomes or was "performance".
  KnobInfo governor = choice_kind(Family::cpu, "scaling_governor", kCpuFreq);
  governor.target = Target::cpu_policy;
  governor.choices = "scaling_available_governors";
  governor.moves = {"energy_performance_preference"};
  KnobInfo preference = choice_kind(Family::cpu, "energy_performance_preference", kPstate);
  preference.target = Target::cpu_policy;
  preference.choices = "energy_performance_available_preferences";
  return {
      governor,
      preference,
      clamped(number_kind(Family::cpu, "intel_pstate/min_perf_pct", "percent", 0, 100, kPstate)),
      clamped(number_kind(Family::cpu, "intel_pstate/max_perf_pct", "percent", 1, 100, kPstate)),
      number_kind(Family::cpu, "intel_pstate/no_turbo", "", 0, 1, kPstate),
      number_kind(Family::cpu, "cpufreq/boost", "", 0, 1, kCpuFreq)};
}

}  // namespace

std::vector<KnobInfo> machine_kinds() {
  std::vector<KnobInfo> kinds = huge_page_kinds();
  for (const KnobInfo& kind : cpu_kinds()) kinds.push_back(kind);
  // PM_QOS_CPU_LATENCY_DEFAULT_VALUE of kernel/power/qos.c is 2000 s: nobody asks for anything.
  KnobInfo latency = number_kind(Family::pm_qos, "cpu_dma_latency", "µs", 0, 2000000000,
                                 "Documentation/power/pm_qos_interface.rst");
  latency.restore = Restore::let_go;
  kinds.push_back(latency);
  // Kept in jiffies (mm/vmscan.c, min_ttl_ms_store()): with 250 a second 150 is shown as 152.
  KnobInfo min_ttl = number_kind(Family::lru_gen, "min_ttl_ms", "ms", 0, 3600000,
                                 "Documentation/admin-guide/mm/multigen_lru.rst");
  min_ttl.rounding = Rounding::jiffies;
  kinds.push_back(min_ttl);
  KnobInfo fault_around =
      number_kind(Family::debugfs, "fault_around_bytes", "bytes", 4096, 64 << 20, "mm/memory.c");
  fault_around.rounding = Rounding::power_of_two;
  // Coverage takes for used what a fault maps around it: not beside a load that is followed.
  kinds.push_back(on_request(fault_around));
  return kinds;
}

const std::vector<Advice>& all_advice() {
  static const std::vector<Advice> advice = {
      {"nconnect", "a mount option: set nconnect=8…16 in /etc/fstab and mount again",
       "nfs(5), Azure NetApp Files documentation"},
      {"rsize", "a mount option: set rsize=1048576 in /etc/fstab and mount again", "nfs(5)"},
      {"wsize", "a mount option: set wsize=1048576 in /etc/fstab and mount again", "nfs(5)"},
      {"max_read_ahead_mb",
       "Lustre reads ahead by itself: lctl set_param llite.*.max_read_ahead_mb",
       "NVIDIA GPUDirect Storage guide"},
      {"max_pages_per_rpc", "Lustre: lctl set_param osc.*.max_pages_per_rpc", "Lustre manual"},
      {"max_rpcs_in_flight", "Lustre: lctl set_param osc.*.max_rpcs_in_flight", "Lustre manual"},
      {"vm.nr_hugepages", "reserve huge pages at boot, before memory is fragmented: hugepages=N",
       "Documentation/admin-guide/mm/hugetlbpage.rst"},
      {"smp_affinity", "where interrupts go is irqbalance's business, or the driver's",
       "Documentation/core-api/irq/irq-affinity.rst"},
      {"queue/io_poll_delay", "has no effect since Linux 6.0",
       "Documentation/ABI/stable/sysfs-block"},
      {"bcache/cache_mode",
       "a write changes the disk's superblock, where a power cut would leave it: set it by hand",
       "drivers/md/bcache/sysfs.c"},
      {"poll_queues",
       "a module parameter: options nvme poll_queues=N in /etc/modprobe.d, then boot",
       "drivers/nvme/host/pci.c"},
      {"persistence_mode", "nvidia-persistenced(1) keeps the driver loaded",
       "NVIDIA driver persistence"},
  };
  return advice;
}

}  // namespace tuneshift
