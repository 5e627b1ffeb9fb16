// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/top/model.h"

#include <algorithm>
#include <cmath>

#include "client/histogram.h"

namespace tuneshift::top {

namespace {

/// A second's share of what came in `interval_us`; counters that began anew count from 0.
uint64_t per_second(uint64_t before, uint64_t now, uint64_t interval_us) {
  if (interval_us == 0) return 0;
  const uint64_t grown = now >= before ? now - before : now;
  return static_cast<uint64_t>(
      std::llround(static_cast<double>(grown) * 1e6 / static_cast<double>(interval_us)));
}

const Json& find_by(const Json& list, std::string_view key, const Json& value) {
  static const Json none;
  const auto found = std::find_if(list.items().begin(), list.items().end(), [&](const Json& item) {
    return item[key].text() == value.text();
  });
  return found == list.items().end() ? none : *found;
}

/// Same process, same file.
const Json* find_reader(const Json& readers, const Json& wanted) {
  for (const auto& reader : readers.items()) {
    if (reader["pid"].number() == wanted["pid"].number() &&
        reader["path"].text() == wanted["path"].text())
      return &reader;
  }
  return nullptr;
}

Json memory_row(const Sample& before, const Sample& now, uint64_t interval_us) {
  Json row = Json::object();
  row.set("cached", now.cached_kib * 1024).set("dirty", now.dirty_kib * 1024);
  if (!before.memory || !now.memory) return row;
  const VmStat change = *now.memory - *before.memory;
  row.set("read_rate", per_second(0, change.paged_in_kib * 1024, interval_us));
  row.set("refault_rate", per_second(0, change.refaulted_pages * now.page_bytes, interval_us));
  row.set("eviction_rate", per_second(0, change.evicted_pages * now.page_bytes, interval_us));
  return row.set("major_faults", per_second(0, change.major_faults, interval_us));
}

Json load_row(const Json& load) {
  Json row = Json::object();
  for (const char* key :
       {"id", "state", "model", "devices", "bytes_total", "bytes_loaded", "rate", "time_left",
        "started", "finished", "missed", "refaulted", "evicted", "assistance", "warning"}) {
    if (load.has(key)) row.set(key, load[key]);
  }
  return row;
}

Json reader_row(const Json& load, const Json& reader, const Sample& before, const Sample& now) {
  const uint64_t pid = reader["pid"].number();
  const uint64_t interval_us = now.time_us - before.time_us;
  Json row = Json::object();
  row.set("pid", pid).set("command", reader["command"]).set("path", reader["path"]);
  row.set("load", load["id"]).set("size", reader["size"]).set("missed", reader["missed"]);
  const Json& earlier = find_by(before.loads, "id", load["id"])["readers"];
  // Who was not there before missed all of it since.
  const Json* known = find_reader(earlier, reader);
  const uint64_t missed_before = known == nullptr ? 0 : (*known)["missed"].number();
  row.set("miss_rate", per_second(missed_before, reader["missed"].number(), interval_us));
  const auto process = now.processes.find(pid);
  if (process == now.processes.end()) return row;
  row.set("resident", process->second.resident_pages * now.page_bytes);
  const auto process_before = before.processes.find(pid);
  if (process_before != before.processes.end() &&
      process_before->second.start_ticks == process->second.start_ticks)
    row.set("major_faults", per_second(process_before->second.major_faults,
                                       process->second.major_faults, interval_us));
  return row;
}

/// p50 and p99 of both stages, over reads and writes; missing when nothing completed.
void add_percentiles(const Json& before, const Json& now, Json& row) {
  Json device = Json::array();
  Json queue = Json::array();
  for (const char* way : {"read", "write"}) {
    const std::string name = way;
    const auto since = [&](const std::string& key) {
      return requests_since(before[key], now[key]);
    };
    device = sum_of(device, since(name + "_latency"));
    queue = sum_of(queue, since(name + "_queue_latency"));
  }
  if (count_requests(device) == 0) return;
  queue = queue_of_all(queue, device);
  row.set("queue_p50", percentile_limit(queue, 0.5));
  row.set("queue_p99", percentile_limit(queue, 0.99));
  row.set("device_p50", percentile_limit(device, 0.5));
  row.set("device_p99", percentile_limit(device, 0.99));
}

Json device_row(const Json& device, const Sample& before, const Sample& now) {
  const uint64_t interval_us = now.time_us - before.time_us;
  const std::string name = device["name"].text();
  Json row = Json::object();
  row.set("name", name);
  const auto stat = now.disks.find(name);
  const auto earlier = before.disks.find(name);
  if (stat != now.disks.end() && earlier != before.disks.end()) {
    const DiskStat& was = earlier->second;
    const DiskStat& is = stat->second;
    row.set("read_rate", per_second(was.read_bytes, is.read_bytes, interval_us));
    row.set("write_rate", per_second(was.written_bytes, is.written_bytes, interval_us));
    row.set("reads", per_second(was.reads, is.reads, interval_us));
    row.set("writes", per_second(was.writes, is.writes, interval_us));
    const uint64_t busy_ms = per_second(was.busy_ms, is.busy_ms, interval_us);
    row.set("utilisation", std::min<uint64_t>(busy_ms / 10, 100));
  }
  // Without the daemon's earlier word, its counts are those since its start, not of the interval.
  const Json& device_before = find_by(before.devices, "name", device["name"]);
  if (device_before.has("name")) add_percentiles(device_before, device, row);
  return row;
}

}  // namespace

Json build_model(const Sample& before, const Sample& now) {
  Json model = Json::object();
  model.set("interval", now.time_us - before.time_us);
  if (now.trouble.empty()) {
    for (const char* key : {"state", "mode", "active_profiles", "servers"})
      model.set(key, now.manager[key]);
  } else {
    model.set("trouble", now.trouble);
  }
  if (!now.hidden.empty()) model.set("hidden", now.hidden);
  model.set("memory", memory_row(before, now, now.time_us - before.time_us));
  Json loads = Json::array();
  Json readers = Json::array();
  for (const auto& load : now.loads.items()) {
    loads.append(load_row(load));
    if (load["state"].text() != "loading") continue;
    for (const auto& reader : load["readers"].items())
      readers.append(reader_row(load, reader, before, now));
  }
  Json devices = Json::array();
  for (const auto& device : now.devices.items()) devices.append(device_row(device, before, now));
  return model.set("loads", loads).set("readers", readers).set("devices", devices);
}

}  // namespace tuneshift::top
