// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/sampler.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <ctime>
#include <utility>

#include "daemon/process_identity.h"

namespace tuneshift {

namespace {

/// Processes in one look, some 50 us each; the next one goes on behind them.
constexpr size_t most_processes = 512;

const auto page_bytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));

std::string proc_file(std::string_view pid, const char* name) {
  return "proc/" + std::string(pid) + "/" + name;
}

// The command in proc/PID/stat: between the first parenthesis and the last.
std::string command_in(std::string_view stat) {
  const size_t begin = stat.find('(');
  const size_t end = stat.rfind(')');
  if (begin == std::string_view::npos || end == std::string_view::npos || end < begin) return {};
  return std::string(stat.substr(begin + 1, end - begin - 1));
}

// The second number after the size in proc/PID/statm, in pages: "size resident shared …".
uint64_t parse_shared_pages(std::string_view statm) {
  uint64_t pages = 0;
  for (int skipped = 0; skipped < 2; ++skipped) {
    const size_t space = statm.find(' ');
    if (space == std::string_view::npos) return 0;
    statm.remove_prefix(space + 1);
  }
  std::from_chars(statm.data(), statm.data() + statm.size(), pages);
  return pages;
}

uint64_t boottime_ns() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace

Sampler::Sampler(Loop& loop, const KernelFs& kernel, uint64_t period_ms, Senses senses)
    : kernel_(kernel),
      period_ns_(period_ms * 1'000'000),
      senses_(std::move(senses)),
      timer_(loop.timer([this] { look(); })) {}

void Sampler::set_stores(SampledStores stores) {
  if (stores == stores_) return;
  stores_ = stores;
  sampling_.set_stores(stores);
  if (stores.none()) {
    timer_.off();
    return;
  }
  if (const auto machine = read_vmstat(kernel_)) machine_ = machine.value();
  timer_.set(monotonic_ns() + period_ns_);
}

void Sampler::look() {
  timer_.set(monotonic_ns() + period_ns_);
  const auto machine = read_vmstat(kernel_);
  if (!machine) return;
  const VmStat change = machine.value() - std::exchange(machine_, machine.value());
  const bool is_read = change.paged_in_kib << 10 >= Sampling::least_bytes;
  // FUSE and NFS page nothing in. (The stall times of proc/pressure/io are 2 s old, too late.)
  const bool may_fill = change.allocated_pages * page_bytes >= Sampling::least_bytes;
  if (!(stores_.with_disk && is_read) && !(stores_.without_disk && may_fill)) return;
  see_processes();
  for (const ProcessId& process : sampling_.whom_to_ask()) {
    const auto stat = kernel_.read(proc_file(std::to_string(process.pid), "stat"));
    commands_[process] = stat ? command_in(stat.value()) : "";
    senses_.list_files(process);
  }
}

void Sampler::see_processes() {
  const auto names = kernel_.list("proc");
  if (!names) return;
  std::vector<pid_t> pids;
  for (const std::string& name : names.value()) {
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error == std::errc{} && end == name.data() + name.size()) pids.push_back(pid);
  }
  std::sort(pids.begin(), pids.end());
  std::rotate(pids.begin(), std::lower_bound(pids.begin(), pids.end(), next_pid_), pids.end());
  next_pid_ = pids.size() > most_processes ? pids[most_processes] : 0;
  pids.resize(std::min(pids.size(), most_processes));
  const uint64_t now_ns = monotonic_ns();
  const uint64_t boot_ns = boottime_ns();
  for (const pid_t pid : pids) {
    if (pid != getpid()) see(std::to_string(pid), now_ns, boot_ns);
  }
}

void Sampler::see(const std::string& pid, uint64_t now_ns, uint64_t boot_ns) {
  static const auto tick_ns = 1'000'000'000ULL / static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
  const auto io = kernel_.read(proc_file(pid, "io"));
  const auto stat = kernel_.read(proc_file(pid, "stat"));
  if (!io || !stat) return;
  const auto ticks = parse_start_ticks(stat.value());
  if (!ticks) return;
  Intake intake;
  intake.device_bytes = parse_field(io.value(), "read_bytes:").value_or(0);
  intake.read_bytes = parse_field(io.value(), "rchar:").value_or(0);
  if (stores_.without_disk) {
    const auto statm = kernel_.read(proc_file(pid, "statm"));
    if (statm) intake.mapped_bytes = parse_shared_pages(statm.value()) * page_bytes;
  }
  const ProcessId process{static_cast<pid_t>(std::stol(pid)), *ticks * tick_ns};
  const uint64_t age_ns = boot_ns > process.start_ns ? boot_ns - process.start_ns : 0;
  sampling_.see(process, age_ns, intake, now_ns);
}

void Sampler::on_files(const ProcessId& process, const Result<std::vector<HeldFile>>& files) {
  const auto asked = commands_.extract(process);
  if (!files) {
    sampling_.on_no_answer(process);
    return;
  }
  for (const SampledRead& read : sampling_.on_files(process, files.value())) {
    Event event;
    event.reader = read.reader;
    event.evidence = Evidence::sampled;
    event.time_ns = monotonic_ns();
    event.first_ns = read.first_ns;
    event.bytes = read.bytes;
    event.file_size = read.file_size;
    event.has_block_device = read.has_disk;
    if (!asked.empty()) event.command = asked.mapped();
    if (!senses_.on_event(event, read.from_birth)) sampling_.silence(read.reader);
  }
}

}  // namespace tuneshift
