// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/top/sample.h"

#include <unistd.h>

#include <array>
#include <charconv>
#include <ctime>
#include <vector>

#include "client/format.h"
#include "client/loads.h"
#include "libtune/meminfo.h"

namespace tuneshift::top {

namespace {

constexpr uint64_t kSectorBytes = 512;  // of the kernel's statistics, whatever the disk's are
constexpr uint64_t kShownAfterEndUs = 15'000'000;

/// The numbers of a line, a word that is none as 0.
std::vector<uint64_t> numbers_in(std::string_view text) {
  std::vector<uint64_t> numbers;
  while (true) {
    const size_t start = text.find_first_not_of(" \n");
    if (start == std::string_view::npos) return numbers;
    text.remove_prefix(start);
    const std::string_view word = text.substr(0, text.find_first_of(" \n"));
    uint64_t number = 0;
    std::from_chars(word.data(), word.data() + word.size(), number);
    numbers.push_back(number);
    text.remove_prefix(word.size());
  }
}

uint64_t monotonic_us() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
}

bool is_shown(const Json& load) {
  return is_loading(load) || load["finished"].number() + kShownAfterEndUs > now_us();
}

void ask_daemon(Daemon& daemon, Sample& sample) {
  auto manager = daemon.manager();
  auto objects = manager.ok() ? daemon.objects() : Result<Json>(manager.error());
  if (!objects) {
    sample.trouble = objects.error().message;
    return;
  }
  sample.manager = std::move(manager).value();
  sample.devices = objects.value()["devices"];
  for (const auto& load : objects.value()["loads"].items()) {
    if (!is_shown(load)) continue;
    Json whole = load;
    // Who may not ask is refused once, not once a load.
    if (sample.hidden.empty()) {
      const auto details = daemon.describe_load(load["id"].number());
      if (details.ok())
        whole.merge(details.value());
      else if (details.error().code == ErrorCode::permission)
        sample.hidden = details.error().message;
    }
    sample.loads.append(std::move(whole));
  }
}

uint64_t meminfo_kib(const KernelFs& kernel, std::string_view line) {
  const auto value = read_meminfo(kernel, line);
  return value.ok() && value.value() > 0 ? static_cast<uint64_t>(value.value()) : 0;
}

void read_kernel(const KernelFs& kernel, Sample& sample) {
  for (const auto& device : sample.devices.items()) {
    const std::string name = device["name"].text();
    const auto text = kernel.read("sys/block/" + name + "/stat");
    if (!text) continue;
    if (const auto stat = parse_disk_stat(text.value())) sample.disks[name] = *stat;
  }
  for (const auto& load : sample.loads.items()) {
    for (const auto& reader : load["readers"].items()) {
      const uint64_t pid = reader["pid"].number();
      const auto text = kernel.read("proc/" + std::to_string(pid) + "/stat");
      if (!text) continue;
      if (const auto stat = parse_process_stat(text.value())) sample.processes[pid] = *stat;
    }
  }
  if (const auto memory = read_vmstat(kernel); memory.ok()) sample.memory = memory.value();
  sample.cached_kib = meminfo_kib(kernel, "Cached");
  sample.dirty_kib = meminfo_kib(kernel, "Dirty");
  sample.page_bytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

std::optional<DiskStat> parse_disk_stat(std::string_view text) {
  const auto numbers = numbers_in(text);
  if (numbers.size() < 10) return std::nullopt;
  return DiskStat{numbers[0], numbers[2] * kSectorBytes, numbers[4], numbers[6] * kSectorBytes,
                  numbers[9]};
}

std::optional<ProcessStat> parse_process_stat(std::string_view text) {
  // The program's name is in parentheses and may have any character in it.
  const size_t name_end = text.rfind(')');
  if (name_end == std::string_view::npos) return std::nullopt;
  const auto numbers = numbers_in(text.substr(name_end + 1));
  if (numbers.size() < 22) return std::nullopt;
  return ProcessStat{numbers[9], numbers[19], numbers[21]};
}

Sample take_sample(Daemon& daemon, const KernelFs& kernel) {
  Sample sample;
  ask_daemon(daemon, sample);
  sample.time_us = monotonic_us();
  read_kernel(kernel, sample);
  return sample;
}

}  // namespace tuneshift::top
