// SPDX-License-Identifier: LGPL-2.1-or-later
// The start-up self-test: a signal is "ok" when what it saw of a known read is what was read.
#include "daemon/latency_map.h"
#include "daemon/probe_programs.h"
#include "daemon/self_test_file.h"

namespace tuneshift {

namespace {

const char attached_only[] = "attached, not tested: ";

std::string saw(const char* what, uint64_t seen) {
  return std::string("saw ") + std::to_string(seen) + " of " +
         std::to_string(SelfTestFile::data_bytes) + " bytes of a known " + what;
}

}  // namespace

// The programs run in the reading task: once the read returned, all that they saw is there.
uint64_t Probes::Programs::take_bytes_seen() {
  own_event.reset();
  ring_buffer__consume(ring.get());
  if (!own_event) return 0;
  const auto counts = maps->counts(own_event->reader);
  maps->forget(own_event->reader);
  return counts ? counts->bytes : 0;
}

void Probes::Programs::test_reads(SelfTestFile& file) {
  Status status = file.make_cold();
  if (status.ok()) status = file.read_buffered();
  if (!status.ok()) {
    set_state("reads", Tier::ok, attached_only + status.error().message);
    return;
  }
  const uint64_t buffered = take_bytes_seen();
  if (buffered != SelfTestFile::data_bytes) {
    set_state("reads", buffered == 0 ? Tier::absent : Tier::fallback,
              saw("buffered read", buffered));
    return;
  }
  if (!direct_unknown.empty()) {
    set_state("reads", Tier::fallback, "direct reads are not seen: " + direct_unknown);
    return;
  }
  status = file.make_cold();
  if (status.ok()) status = file.read_direct();
  if (!status.ok()) {
    set_state("reads", Tier::ok, "buffered reads tested, direct not: " + status.error().message);
    return;
  }
  const uint64_t direct = take_bytes_seen();
  if (direct == SelfTestFile::data_bytes && own_event->evidence == Evidence::direct_read)
    set_state("reads", Tier::ok, "tested: buffered and direct");
  else
    set_state("reads", Tier::fallback, saw("direct read", direct));
}

void Probes::Programs::test_mappings(SelfTestFile& file) {
  const Status status = file.map();
  if (!status.ok()) {
    set_state("mappings", Tier::ok, attached_only + status.error().message);
    return;
  }
  static_cast<void>(take_bytes_seen());
  if (own_event && own_event->evidence == Evidence::mapping)
    set_state("mappings", Tier::ok, "tested");
  else
    set_state("mappings", Tier::absent, "did not see a known mapping");
}

void Probes::Programs::self_test() {
  Result<SelfTestFile> created =
      SelfTestFile::create(settings.selftest_directory, settings.size_floor_bytes);
  Status status = created.ok() ? Status() : Status(created.error());
  if (status.ok() && maps) status = write_settings(created.value().id());
  if (!status.ok()) {
    for (const char* name : {"reads", "mappings", "latency"})
      if (attached(name)) set_state(name, Tier::ok, attached_only + status.error().message);
    if (attached("reads") && !direct_unknown.empty())
      set_state("reads", Tier::fallback, "direct reads are not seen: " + direct_unknown);
    return;
  }

  SelfTestFile& file = created.value();
  const uint64_t requests = attached("latency") ? count_requests(latencies_fd()) : 0;
  if (attached("reads")) test_reads(file);
  if (attached("mappings")) test_mappings(file);
  if (maps) status = write_settings({});
  if (!attached("latency")) return;
  // The requests of the file's own reads, whichever disks are below it.
  status = file.make_cold();
  if (status.ok()) status = file.read_buffered();
  if (!status.ok())
    set_state("latency", Tier::ok, attached_only + status.error().message);
  else if (count_requests(latencies_fd()) > requests)
    set_state("latency", Tier::ok, "tested");
  else
    set_state("latency", Tier::absent, "saw no request of a known read");
}

}  // namespace tuneshift
