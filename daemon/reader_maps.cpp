// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/reader_maps.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "daemon/bpf_images.h"

namespace tuneshift {

namespace {

constexpr unsigned minor_bits = 20;
constexpr uint32_t minor_mask = (1U << minor_bits) - 1;

tuneshift_reader_key key_of(const Reader& reader) {
  tuneshift_reader_key key{};
  key.start_ns = reader.process.start_ns;
  key.inode = reader.file.inode;
  key.pid = static_cast<uint32_t>(reader.process.pid);
  key.device = reader.file.device_major << minor_bits | reader.file.device_minor;
  return key;
}

Evidence evidence_of(uint8_t evidence) {
  switch (evidence) {
    case TUNESHIFT_MAPPING:
      return Evidence::mapping;
    case TUNESHIFT_READ_MISS:
      return Evidence::read_miss;
    case TUNESHIFT_DIRECT_READ:
      return Evidence::direct_read;
    default:
      return Evidence::cache_fill;
  }
}

}  // namespace

Event to_event(const tuneshift_reader_event& record) {
  Event event;
  event.reader.process.pid = static_cast<pid_t>(record.key.pid);
  event.reader.process.start_ns = record.key.start_ns;
  event.reader.file.device_major = record.key.device >> minor_bits;
  event.reader.file.device_minor = record.key.device & minor_mask;
  event.reader.file.inode = record.key.inode;
  event.evidence = evidence_of(record.evidence);
  event.time_ns = record.time_ns;
  event.first_ns = record.first_ns;
  event.bytes = record.bytes;
  event.file_size = record.file_size;
  event.sequential = record.sequential;
  event.jumps = record.jumps;
  event.has_block_device = record.has_block_device != 0;
  event.command.assign(record.command, strnlen(record.command, sizeof record.command));
  return event;
}

Result<ReaderMaps> ReaderMaps::create() {
  Result<BpfObject> object = load_bpf_object("shared_maps", shared_maps_image(), {});
  if (!object.ok()) return object.error();
  return ReaderMaps(std::move(object.value().maps));
}

int ReaderMaps::fd(std::string_view name) const {
  const auto found = maps_.find(name);
  return found == maps_.end() ? -1 : found->second.get();
}

Status ReaderMaps::write(const tuneshift_settings& settings) {
  const uint32_t zero = 0;
  const int error = bpf_map_update_elem(fd("settings"), &zero, &settings, BPF_ANY);
  if (error != 0) return errno_error(-error, "writing the probes' settings");
  return {};
}

template <class Value>
std::vector<Value> ReaderMaps::on_each_cpu(std::string_view map) const {
  const int cpus = libbpf_num_possible_cpus();
  if (cpus <= 0) return {};
  std::vector<Value> values(static_cast<size_t>(cpus));
  const uint32_t zero = 0;
  if (bpf_map_lookup_elem(fd(map), &zero, values.data()) != 0) return {};
  return values;
}

std::optional<tuneshift_reader_counts> ReaderMaps::counts(const Reader& reader) const {
  const tuneshift_reader_key key = key_of(reader);
  tuneshift_reader_counts counts{};
  if (bpf_map_lookup_elem(fd("readers"), &key, &counts) != 0) return std::nullopt;
  for (const tuneshift_fill_batch& batch : on_each_cpu<tuneshift_fill_batch>("fill_batches")) {
    if (std::memcmp(&batch.key, &key, sizeof key) == 0) counts.bytes += batch.bytes;
  }
  return counts;
}

void ReaderMaps::forget(const Reader& reader) {
  const tuneshift_reader_key key = key_of(reader);
  bpf_map_delete_elem(fd("readers"), &key);
}

void ReaderMaps::silence(const Reader& reader) {
  const tuneshift_reader_key key = key_of(reader);
  const tuneshift_verdict quiet = TUNESHIFT_QUIET;
  bpf_map_update_elem(fd("verdicts"), &key, &quiet, BPF_ANY);
}

void ReaderMaps::let_wait(const Reader& reader, bool waits) {
  const tuneshift_reader_key key = key_of(reader);
  tuneshift_verdict verdict = TUNESHIFT_WAITS;
  if (waits) {
    bpf_map_update_elem(fd("verdicts"), &key, &verdict, BPF_NOEXIST);
  } else if (bpf_map_lookup_elem(fd("verdicts"), &key, &verdict) == 0 &&
             verdict == TUNESHIFT_WAITS) {
    bpf_map_delete_elem(fd("verdicts"), &key);
  }
}

std::vector<NeighbourReads> ReaderMaps::take_neighbour_reads() {
  const int map = fd("neighbour_reads");
  std::vector<NeighbourReads> all;
  tuneshift_neighbour_key key{};
  // Readers put new ones there meanwhile.
  for (int left = TUNESHIFT_NEIGHBOURS; left > 0; --left) {
    if (bpf_map_get_next_key(map, nullptr, &key) != 0) break;
    uint32_t misses = 0;
    if (bpf_map_lookup_and_delete_elem(map, &key, &misses) != 0) continue;
    const DeviceNumber store{key.device >> minor_bits, key.device & minor_mask};
    all.push_back({static_cast<pid_t>(key.pid), store, misses});
  }
  return all;
}

uint64_t ReaderMaps::dropped() const {
  const uint32_t zero = 0;
  uint64_t count = 0;
  return bpf_map_lookup_elem(fd("dropped"), &zero, &count) == 0 ? count : 0;
}

std::vector<tuneshift_reader_event> ReaderMaps::take_dropped() {
  const int map = fd("dropped_events");
  std::vector<tuneshift_reader_event> events;
  tuneshift_reader_key key{};
  bool more = bpf_map_get_next_key(map, nullptr, &key) == 0;
  while (more && events.size() < TUNESHIFT_READERS) {
    // Before it is deleted: behind a key that is not there the map begins anew.
    tuneshift_reader_key next{};
    more = bpf_map_get_next_key(map, &key, &next) == 0;
    tuneshift_reader_event event{};
    if (bpf_map_lookup_and_delete_elem(map, &key, &event) == 0) events.push_back(event);
    key = next;
  }
  return events;
}

}  // namespace tuneshift
