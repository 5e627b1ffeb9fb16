// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/load_book.h"

#include <algorithm>

#include "libtune/escape.h"
#include "libtune/workload.h"

namespace tuneshift {

namespace {

constexpr uint64_t second_ns = 1'000'000'000;
// A rate from less than this says nothing.
constexpr uint64_t least_rate_ns = 4'000'000;
constexpr uint64_t least_rate_bytes = 256 << 10;
constexpr uint64_t sample_every_ns = 200'000'000;
constexpr uint64_t thrash_percent = 5;  // of what was loaded

uint64_t rate_of(uint64_t bytes, uint64_t duration_ns) {
  if (duration_ns == 0) return 0;
  return static_cast<uint64_t>(static_cast<double>(bytes) * second_ns /
                               static_cast<double>(duration_ns));
}

uint64_t helped_bytes_of(const LoadView& view) {
  if (view.helped_ns == 0) return 0;
  return view.loaded_bytes - std::min(view.helped_bytes, view.loaded_bytes);
}

void add_to(LoadTotals& totals, const LoadView& view) {
  totals.loaded_bytes += view.loaded_bytes;
  totals.helped_bytes += helped_bytes_of(view);
  totals.saved_us += view.saved_us;
}

std::string pattern_of(const Load& load) {
  const uint64_t bytes = load.missed_bytes;
  const uint64_t sequential = load.sequential_bytes;
  if (bytes == 0) return "";
  if (sequential >= bytes / 10 * 9) return "sequential";
  return sequential >= bytes / 2 ? "mixed" : "random";
}

void add_reader(LoadView& view, const LoadReader& one) {
  const auto pid = static_cast<uint32_t>(one.reader.process.pid);
  const std::string command = escape(one.facts.command_line);
  const std::string path = escape(one.facts.path);
  if (view.readers.size() < LoadBook::shown_readers) {
    view.readers.push_back({pid, command, path, one.missed, one.facts.file_size});
  }
  view.processes.insert(pid);
  view.commands.insert(command);
  view.files.insert(path);
  view.cgroup = escape(one.facts.cgroup);
  view.workload = escape(to_string(workload_of(one.facts.cgroup)));
}

}  // namespace

uint64_t time_left_us(const LoadView& view) {
  if (view.finished_us != 0 || view.rate == 0 || view.loaded_bytes >= view.total_bytes) return 0;
  return static_cast<uint64_t>(static_cast<double>(view.total_bytes - view.loaded_bytes) * 1e6 /
                               static_cast<double>(view.rate));
}

LoadView& LoadBook::update(const Load& load, const Store& store, uint64_t now_ns) {
  LoadView& view = views_[load.id];
  if (view.id == 0) {
    view.id = load.id;
    view.first_ns = load.first_ns;
    view.sample_ns = load.first_ns;
  }
  view.state = to_string(load.state);
  for (const std::string& disk : store.disks) view.devices.insert(disk);
  if (store.disks.empty() && !store.bdi.empty()) view.devices.insert(store.bdi);
  view.total_bytes = load.total_bytes;
  view.loaded_bytes = load.loaded_bytes;
  view.model = escape(load.model);
  view.format = escape(load.format);
  view.evidence = load.evidence;
  view.shards = load.shards;
  view.pattern = pattern_of(load);
  view.missed_bytes = load.missed_bytes;
  // A load may have thousands of readers: their names are told once.
  for (; view.known_readers < load.readers.size(); ++view.known_readers) {
    add_reader(view, load.readers[view.known_readers]);
  }
  for (size_t i = 0; i < view.readers.size(); ++i) {
    view.readers[i].missed_bytes = load.readers[i].missed;
  }
  if (now_ns >= view.sample_ns + sample_every_ns) {
    view.rate = rate_of(load.loaded_bytes - std::min(view.sample_bytes, load.loaded_bytes),
                        now_ns - view.sample_ns);
    view.sample_ns = now_ns;
    view.sample_bytes = load.loaded_bytes;
  } else if (view.rate == 0 && now_ns > load.first_ns) {
    view.rate = rate_of(load.loaded_bytes, now_ns - load.first_ns);
  }
  return view;
}

void LoadBook::helped(LoadView& view, uint64_t bytes, uint64_t now_ns) {
  if (view.helped_ns != 0) return;
  view.helped_ns = now_ns;
  view.helped_bytes = bytes;
  const uint64_t duration_ns = now_ns > view.first_ns ? now_ns - view.first_ns : 0;
  if (duration_ns >= least_rate_ns && bytes >= least_rate_bytes) {
    view.rate_before = rate_of(bytes, duration_ns);
  }
}

void LoadBook::note_memory(LoadView& view, const VmStat& now, uint64_t page_bytes) {
  if (!view.memory_at_start) view.memory_at_start = now;
  const VmStat change = now - *view.memory_at_start;
  view.refaulted_bytes = change.refaulted_pages * page_bytes;
  view.evicted_bytes = change.evicted_pages * page_bytes;
  view.major_faults = change.major_faults;
  // Refaults alone do not say that memory is short now: a model that was evicted yesterday refaults
  // as well.
  const uint64_t again = std::min(view.refaulted_bytes, view.evicted_bytes);
  view.warning.clear();
  if (again <= view.loaded_bytes / 100 * thrash_percent) return;
  view.warning = "thrash: memory too small: while it loaded, " +
                 std::to_string(view.evicted_bytes >> 20) + " MiB were evicted and " +
                 std::to_string(view.refaulted_bytes >> 20) + " MiB came back";
}

std::vector<uint32_t> LoadBook::end(uint32_t id, const Load& load, uint64_t now_us) {
  auto found = views_.find(id);
  if (found == views_.end()) return {};
  LoadView& view = found->second;
  view.state = to_string(load.state);
  view.loaded_bytes = load.loaded_bytes;
  view.finished_us = now_us;
  // The flow's end, not the moment when it was noticed.
  const uint64_t end_ns = std::max(load.last_progress_ns, load.first_ns);
  view.rate = rate_of(load.loaded_bytes, end_ns - load.first_ns);
  if (view.helped_ns != 0 && end_ns > view.helped_ns) {
    const uint64_t after = helped_bytes_of(view);
    const uint64_t took_ns = end_ns - view.helped_ns;
    view.rate_after = rate_of(after, took_ns);
    if (view.rate_before > 0) {
      const double without_us =
          static_cast<double>(after) / static_cast<double>(view.rate_before) * 1e6;
      const double saved = without_us - static_cast<double>(took_ns) / 1e3;
      view.saved_us = saved > 0 ? static_cast<uint64_t>(saved) : 0;
    }
  }
  // By their ends, as one that was slow may have begun before all of them; by its number first
  // where the clock was set back.
  std::vector<std::pair<uint64_t, uint32_t>> others;
  for (const auto& [other, one] : views_) {
    if (one.finished_us != 0 && other != id) others.emplace_back(one.finished_us, other);
  }
  if (others.size() < kept_ended) return {};
  std::sort(others.begin(), others.end());
  std::vector<uint32_t> ended;
  for (size_t i = 0; i + kept_ended <= others.size(); ++i) ended.push_back(others[i].second);
  for (const uint32_t gone : ended) {
    add_to(forgotten_, views_[gone]);
    views_.erase(gone);
  }
  return ended;
}

LoadTotals LoadBook::totals() const {
  LoadTotals totals = forgotten_;
  for (const auto& [id, view] : views_) add_to(totals, view);
  return totals;
}

const LoadView* LoadBook::find(uint32_t id) const {
  auto found = views_.find(id);
  return found == views_.end() ? nullptr : &found->second;
}

LoadView* LoadBook::find(uint32_t id) {
  auto found = views_.find(id);
  return found == views_.end() ? nullptr : &found->second;
}

}  // namespace tuneshift
