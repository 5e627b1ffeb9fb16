// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/prefetch/fetching.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <vector>

#include "daemon/unique_fd.h"

namespace tuneshift::testing {

namespace {

constexpr uint64_t patience_us = 60000000;

sd_event* make_loop() {
  sd_event* loop = nullptr;
  if (sd_event_new(&loop) < 0) throw std::runtime_error("sd_event_new");
  return loop;
}

uint64_t resident_now(const std::string& path, uint64_t first) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (!fd || fstat(fd.get(), &status) != 0) throw std::runtime_error("open " + path);
  const auto size = static_cast<size_t>(status.st_size);
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* const map = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
  std::vector<unsigned char> pages((size + page - 1) / page);
  const bool known = map != MAP_FAILED && mincore(map, size, pages.data()) == 0;
  munmap(map, size);
  if (!known) throw std::runtime_error("mincore");
  const auto from = pages.begin() + static_cast<ptrdiff_t>(first / page);
  return page * static_cast<uint64_t>(
                    std::count_if(from, pages.end(), [](unsigned char p) { return (p & 1) != 0; }));
}

}  // namespace

Fetching::Fetching(Prefetcher::Limits limits, const std::string& helper)
    : loop_(make_loop()),
      prefetcher_(loop_.get(), helper, limits,
                  [this](const FileId& file, const PrefetchProgress& progress) {
                    said[file] = progress;
                    ++words;
                  }) {}

void Fetching::run_until(const std::function<bool()>& holds) {
  while (!holds()) {
    if (sd_event_run(loop_.get(), patience_us) <= 0) throw std::runtime_error("nothing happens");
  }
}

PrefetchProgress Fetching::end_of(const FileId& file) {
  run_until([&] { return said[file].ended; });
  return said[file];
}

PrefetchProgress Fetching::wait_for(const FileId& file, uint64_t bytes) {
  run_until([&] { return said[file].fetched_bytes >= bytes || said[file].ended; });
  return said[file];
}

PrefetchProgress Fetching::fetch(const PrefetchOrder& order) {
  said.erase(order.reader.file);
  const Status started = prefetcher_.start(order, {all_bytes});
  if (!started.ok()) throw std::runtime_error(started.error().message);
  return end_of(order.reader.file);
}

PrefetchOrder order_for(const Process& process, const std::string& path, PrefetchOrder::Way way) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) throw std::runtime_error("stat " + path);
  PrefetchOrder order;
  order.reader = reader_of(process, path);
  order.file_size = static_cast<uint64_t>(status.st_size);
  order.way = way;
  return order;
}

bool is_resident(uint64_t resident, uint64_t expected) {
  return resident <= expected && resident >= expected - expected / 8;
}

bool has_resident(const std::string& path, uint64_t expected, uint64_t first) {
  return is_resident(resident_now(path, first), expected);
}

std::string status_of(pid_t pid, const std::string& key) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.compare(0, key.size() + 2, key + ":\t") == 0) return line.substr(key.size() + 2);
  }
  return {};
}

pid_t worker_pid() {
  return child_named("tuneshift-prefe");
}

pid_t child_named(const std::string& name) {
  const std::string parent = std::to_string(getpid());
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    // One that the last prefetcher killed may wait to be reaped for ever.
    if (pid > 0 && status_of(pid, "PPid") == parent && status_of(pid, "Name") == name &&
        status_of(pid, "State").find('Z') != 0) {
      return pid;
    }
  }
  return 0;
}

bool drop_root() {
  // Changing the user forgets the death signal.
  return setgroups(0, nullptr) == 0 && setgid(65534) == 0 && setuid(65534) == 0 &&
         prctl(PR_SET_PDEATHSIG, SIGKILL) == 0;
}

}  // namespace tuneshift::testing
