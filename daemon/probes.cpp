// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/probes.h"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <utility>

#include "daemon/bpf_images.h"
#include "daemon/kernel_symbols.h"
#include "daemon/latency_map.h"
#include "daemon/probe_programs.h"
#include "daemon/sysctl_signal.h"

namespace tuneshift {

namespace {

constexpr unsigned most_records = 64;  // of readers in one turn of the loop

const char cache_fills[] = "cache_fills";
const char nfs_reads[] = "nfs_reads";
const char sysctl_writes[] = "sysctl_writes";
const char cache_fills_idle[] = "loaded; attached while a file system without a disk is mounted";
const char switched_off[] = "switched off in the configuration";
const char nfs_reads_idle[] = "loaded and attached while NFS is mounted";

struct Source {
  const char* signal;
  std::span<const char> image;
  std::vector<std::string> tracepoints;
  bool needs_maps;
};

std::vector<Source> sources() {
  return {
      {"reads", reads_image(), {"block_bio_queue"}, true},
      {cache_fills, cache_fills_image(), {"mm_filemap_add_to_page_cache"}, true},
      {"mappings", mappings_image(), {"vm_unmapped_area"}, true},
      {"latency",
       latency_image(),
       {"block_rq_insert", "block_rq_issue", "block_rq_complete"},
       false},
      {sysctl_writes, sysctl_writes_image(), {}, true},
  };
}

}  // namespace

const char* to_string(Tier tier) {
  switch (tier) {
    case Tier::ok:
      return "ok";
    case Tier::fallback:
      return "fallback";
    case Tier::absent:
      break;
  }
  return "absent";
}

Probes::Programs::Programs(const ProbeSettings& wanted, Handler events_handler,
                           SysctlHandler writes_handler)
    : settings(wanted),
      handler(std::move(events_handler)),
      sysctl_handler(std::move(writes_handler)) {
  find_direct_end_io();
  create_maps();
  load_signals();
  for (const char* name : {"reads", "mappings", "latency"}) attach(name);
  watch_sysctl_writes();
  // libbpf parsed the kernel's types: some megabytes that are never needed again.
  malloc_trim(0);
}

int Probes::Programs::on_record(void* context, void* data, size_t size) {
  auto* programs = static_cast<Programs*>(context);
  if (size < sizeof(tuneshift_reader_event)) return 0;
  const Event event = to_event(*static_cast<const tuneshift_reader_event*>(data));
  // Of its own reads the programs tell this process only during the self-test.
  if (event.reader.process.pid == getpid())
    programs->own_event = event;
  else
    programs->handler(event);
  // A negative value makes libbpf stop behind this record.
  return programs->turn_left > 0 && --programs->turn_left == 0 ? -EAGAIN : 0;
}

int Probes::Programs::on_sysctl_record(void* context, void* data, size_t size) {
  const auto* programs = static_cast<Programs*>(context);
  if (size < sizeof(tuneshift_sysctl_event) || !programs->sysctl_handler) return 0;
  programs->sysctl_handler(to_sysctl_write(*static_cast<const tuneshift_sysctl_event*>(data)));
  return 0;
}

bool Probes::Programs::dispatch() {
  if (!ring) return false;
  turn_left = most_records;
  ring_buffer__consume(ring.get());
  const bool may_be_more = turn_left == 0;
  turn_left = 0;
  // Behind what is in the ring, which was told before.
  if (!may_be_more) take_dropped();
  // Only a full ring loses writes, so its emptying always comes by here.
  const uint64_t lost = read_lost_writes(map_fd(sysctl_writes, "sysctl_lost"));
  if (lost != lost_writes && sysctl_handler) sysctl_handler({});
  lost_writes = lost;
  return may_be_more;
}

// Nothing of a reader is lost with its event: the last one has its counts.
void Probes::Programs::take_dropped() {
  if (const uint64_t count = maps->dropped(); count != std::exchange(dropped, count)) {
    for (tuneshift_reader_event& event : maps->take_dropped())
      on_record(this, &event, sizeof event);
  }
}

void Probes::Programs::set_state(const std::string& name, Tier tier, const std::string& why) {
  states[name] = {tier, why};
}

void Probes::Programs::find_direct_end_io() {
  const Result<uint64_t> address =
      kernel_symbol_address(settings.kernel_root, "iomap_dio_bio_end_io");
  if (address.ok())
    direct_end_io = address.value();
  else
    direct_unknown = address.error().message;
}

void Probes::Programs::create_maps() {
  Result<ReaderMaps> created = ReaderMaps::create();
  Status status = created.ok() ? Status() : Status(created.error());
  if (created.ok()) {
    maps.emplace(std::move(created).value());
    status = write_settings({});
  }
  if (status.ok()) {
    ring.reset(ring_buffer__new(maps->events_fd(), on_record, this, nullptr));
    if (!ring) status = errno_error(errno, "the ring buffer");
  }
  if (status.ok()) return;
  maps.reset();
  for (const Source& source : sources())
    if (source.needs_maps) set_state(source.signal, Tier::absent, status.error().message);
  set_state(nfs_reads, Tier::absent, status.error().message);
}

Status Probes::Programs::write_settings(const FileId& selftest_file) {
  tuneshift_settings values{};
  values.size_floor = settings.size_floor_bytes;
  values.selftest_inode = selftest_file.inode;
  values.selftest_device = selftest_file.device_major << 20 | selftest_file.device_minor;
  values.direct_end_io = direct_end_io;
  values.neighbours = counts_neighbours ? 1 : 0;
  values.own_pid = static_cast<uint32_t>(getpid());
  values.page_shift =
      static_cast<uint32_t>(std::countr_zero(static_cast<unsigned long>(sysconf(_SC_PAGESIZE))));
  return maps->write(values);
}

void Probes::Programs::load_signals() {
  const std::vector<Source> all = sources();
  std::vector<std::string> tracepoints;
  for (const Source& source : all)
    tracepoints.insert(tracepoints.end(), source.tracepoints.begin(), source.tracepoints.end());
  const auto missing = missing_tracepoints(tracepoints);
  const BpfMaps none;

  if (settings.off.contains(nfs_reads))
    set_state(nfs_reads, Tier::absent, switched_off);
  else if (maps && missing.ok())
    set_state(nfs_reads, Tier::ok, nfs_reads_idle);
  else if (maps)
    set_state(nfs_reads, Tier::absent, missing.error().message);
  for (const Source& source : all) {
    if (settings.off.contains(source.signal)) {
      set_state(source.signal, Tier::absent, switched_off);
      continue;
    }
    if (source.needs_maps && !maps) continue;
    if (!missing.ok()) {
      set_state(source.signal, Tier::absent, missing.error().message);
      continue;
    }
    const auto lacks = std::find_first_of(missing.value().begin(), missing.value().end(),
                                          source.tracepoints.begin(), source.tracepoints.end());
    if (lacks != missing.value().end()) {
      set_state(source.signal, Tier::absent, "this kernel has no tracepoint " + *lacks);
      continue;
    }
    Result<BpfObject> object =
        load_bpf_object(source.signal, source.image, source.needs_maps ? maps->all() : none);
    if (!object.ok()) {
      set_state(source.signal, Tier::absent, object.error().message);
      continue;
    }
    loaded[source.signal].object = std::move(object).value();
    set_state(source.signal, Tier::ok, cache_fills_idle);
  }
}

void Probes::Programs::attach(const std::string& name) {
  const auto found = loaded.find(name);
  if (found == loaded.end() || attached(name)) return;
  Signal& signal = found->second;
  for (const UniqueFd& program : signal.object.programs) {
    Result<UniqueFd> link = attach_bpf_program(program);
    if (!link.ok()) {
      signal.links.clear();
      set_state(name, Tier::absent, link.error().message);
      return;
    }
    signal.links.push_back(std::move(link).value());
  }
  set_state(name, Tier::ok, "attached, not tested");
}

// Its tracepoint is in a module that may come only with the first mount, and stays pinned from here
// on until this is let go.
void Probes::Programs::watch_nfs_reads() {
  Result<BpfObject> object = load_bpf_object(nfs_reads, nfs_reads_image(), maps->all());
  if (!object.ok()) {
    set_state(nfs_reads, Tier::absent, object.error().message);
    return;
  }
  loaded[nfs_reads].object = std::move(object).value();
  attach(nfs_reads);
  malloc_trim(0);
}

void Probes::Programs::watch_sysctl_writes() {
  const auto found = loaded.find(sysctl_writes);
  if (found == loaded.end()) return;
  Result<UniqueFd> cgroup = open_root_cgroup(settings.kernel_root);
  Result<UniqueFd> link =
      cgroup.ok() ? attach_to_cgroup(found->second.object.programs.front(), cgroup.value())
                  : Result<UniqueFd>(cgroup.error());
  const int events = map_fd(sysctl_writes, "sysctl_events");
  if (link.ok() && ring_buffer__add(ring.get(), events, on_sysctl_record, this) != 0)
    link = errno_error(errno, "the ring buffer");
  if (!link.ok()) {
    set_state(sysctl_writes, Tier::absent, link.error().message);
    return;
  }
  found->second.links.push_back(std::move(link).value());
  set_state(sysctl_writes, Tier::ok, "attached to the root cgroup");
}

bool Probes::Programs::attached(const std::string& name) const {
  const auto found = loaded.find(name);
  return found != loaded.end() && !found->second.links.empty();
}

int Probes::Programs::map_fd(const std::string& signal, std::string_view map) const {
  const auto found = loaded.find(signal);
  if (found == loaded.end()) return -1;
  const auto of_signal = found->second.object.maps.find(map);
  return of_signal == found->second.object.maps.end() ? -1 : of_signal->second.get();
}

Probes::Probes(const ProbeSettings& settings, Handler handler, SysctlHandler sysctl_handler)
    : programs_(
          std::make_unique<Programs>(settings, std::move(handler), std::move(sysctl_handler))) {}

Probes::~Probes() = default;

void Probes::self_test() {
  programs_->self_test();
  malloc_trim(0);
}

int Probes::poll_fd() const {
  return programs_->ring ? ring_buffer__epoll_fd(programs_->ring.get()) : -1;
}

bool Probes::dispatch() {
  return programs_->dispatch();
}

void Probes::watch_cache_fills(bool on) {
  const auto found = programs_->loaded.find(cache_fills);
  if (found == programs_->loaded.end() || on == programs_->attached(cache_fills)) return;
  if (on) {
    programs_->attach(cache_fills);
    if (programs_->attached(cache_fills))
      programs_->set_state(cache_fills, Tier::ok,
                           "attached, not tested: the self-test's file has a disk");
  } else {
    found->second.links.clear();
    programs_->set_state(cache_fills, Tier::ok, cache_fills_idle);
  }
}

void Probes::watch_nfs_reads(bool on) {
  if (!programs_->maps || on == programs_->nfs_wanted) return;
  if (programs_->settings.off.contains(nfs_reads)) return;
  programs_->nfs_wanted = on;
  if (on) {
    programs_->watch_nfs_reads();
  } else {
    programs_->loaded.erase(nfs_reads);
    programs_->set_state(nfs_reads, Tier::ok, nfs_reads_idle);
  }
}

void Probes::silence(const Reader& reader) {
  if (programs_->maps) programs_->maps->silence(reader);
}

void Probes::let_wait(const Reader& reader, bool waits) {
  if (programs_->maps) programs_->maps->let_wait(reader, waits);
}

uint64_t Probes::bytes_seen(const Reader& reader) const {
  if (!programs_->maps) return 0;
  const auto counts = programs_->maps->counts(reader);
  return counts ? counts->bytes : 0;
}

uint64_t Probes::position(const Reader& reader) const {
  if (!programs_->maps) return 0;
  const auto counts = programs_->maps->counts(reader);
  return counts ? counts->next_offset : 0;
}

void Probes::watch_neighbours(bool on) {
  if (!programs_->maps || on == programs_->counts_neighbours) return;
  programs_->counts_neighbours = on;
  static_cast<void>(programs_->write_settings({}));
  static_cast<void>(programs_->maps->take_neighbour_reads());
}

std::vector<NeighbourReads> Probes::take_neighbour_reads() {
  return programs_->maps ? programs_->maps->take_neighbour_reads() : std::vector<NeighbourReads>();
}

uint64_t Probes::dropped_events() const {
  return programs_->dropped;
}

LatencyHistogram Probes::latency(uint32_t device_major, uint32_t device_minor) const {
  if (!programs_->attached("latency")) return {};
  const int map = programs_->latencies_fd();
  return {read_latency(map, device_major, device_minor, false),
          read_latency(map, device_major, device_minor, true)};
}

const std::map<std::string, SignalState>& Probes::signals() const {
  return programs_->states;
}

void Probes::explain_absence(const std::string& signal, Tier tier, const std::string& meaning) {
  SignalState& state = programs_->states.at(signal);
  if (state.tier == Tier::absent) state = {tier, state.why + ": " + meaning};
}

}  // namespace tuneshift
