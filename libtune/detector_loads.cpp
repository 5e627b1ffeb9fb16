// SPDX-License-Identifier: LGPL-2.1-or-later
// The detector's part for running loads: who belongs to which, how far it is, when it ends.
#include <algorithm>

#include "libtune/detector.h"

namespace tuneshift {

namespace {

constexpr uint64_t tail_check_ms = 50;

/// No file counts for more than its size.
uint64_t counted(const LoadFile& file) {
  return std::min(file.size, file.bytes + file.cached_bytes);
}

}  // namespace

void Detector::begin(const Reader& reader, Suspect& suspect, const std::string& evidence,
                     uint64_t now_ns, Changes& changes) {
  Load* load = running_load_of(reader, *suspect.facts);
  const bool joins = load != nullptr;
  if (!joins) {
    Load fresh;
    fresh.id = ++last_load_;
    fresh.model = suspect.facts->model.empty() ? suspect.facts->path : suspect.facts->model;
    fresh.format = suspect.facts->format;
    fresh.evidence = evidence;
    fresh.first_ns = suspect.first_ns;
    fresh.started_ns = now_ns;
    load = &loads_.emplace(fresh.id, std::move(fresh)).first->second;
  }
  suspect.state = Suspect::State::loading;
  suspect.load = load->id;
  load->last_progress_ns = now_ns;
  load->processes.insert(reader.process);
  count(*load, reader, suspect);
  changes.push_back(
      {joins ? LoadChangeKind::joined : LoadChangeKind::started, reader, load->id, evidence});
}

void Detector::count(Load& load, const Reader& reader, Suspect& suspect) {
  // Sums are kept, not made anew: a load may have thousands of readers.
  const size_t at = suspect.load_entry;
  if (at >= load.readers.size() || load.readers[at].reader != reader) add(load, reader, suspect);
  LoadReader& entry = load.readers[suspect.load_entry];
  LoadFile& file = load.files[reader.file];
  load.counted_bytes -= counted(file);
  file.bytes -= entry.bytes;
  load.missed_bytes -= entry.missed;
  load.sequential_bytes -= entry.sequential;
  entry.bytes = suspect.bytes_in();
  entry.missed = suspect.latest.bytes - suspect.bytes_before;
  entry.sequential =
      suspect.latest.sequential - std::min(suspect.sequential_before, suspect.latest.sequential);
  file.bytes += entry.bytes;
  load.missed_bytes += entry.missed;
  load.sequential_bytes += entry.sequential;
  load.counted_bytes += counted(file);
  load.total_bytes = std::max(load.model_bytes, load.file_bytes);
  load.loaded_bytes = std::min(load.counted_bytes, load.total_bytes);
}

void Detector::add(Load& load, const Reader& reader, Suspect& suspect) {
  const auto known = std::find_if(load.readers.begin(), load.readers.end(),
                                  [&](const LoadReader& one) { return one.reader == reader; });
  suspect.load_entry = static_cast<size_t>(known - load.readers.begin());
  if (known != load.readers.end()) return;  // of an earlier part of this load
  const auto [found, is_first] = load.files.try_emplace(reader.file);
  LoadFile& file = found->second;
  load.counted_bytes -= counted(file);
  load.file_bytes -= file.size;
  LoadReader entry;
  entry.reader = reader;
  entry.facts = *suspect.facts;
  // What a later reader of the same file finds cached is what the others have read.
  entry.cached_bytes = is_first ? suspect.cached_bytes : 0;
  file.cached_bytes = std::max(file.cached_bytes, entry.cached_bytes);
  file.size = entry.facts.file_size;
  load.file_bytes += file.size;
  load.counted_bytes += counted(file);
  load.model_bytes = std::max(load.model_bytes, entry.facts.model_bytes);
  load.shards = std::max(load.shards, entry.facts.shards);
  load.readers.push_back(std::move(entry));
}

void Detector::end(Load& load, Load::State state, const std::string& reason, uint64_t now_ns,
                   Changes& changes) {
  load.state = state;
  load.finished_ns = now_ns;
  for (const LoadReader& one : load.readers) {
    auto found = suspects_.find(one.reader);
    if (found == suspects_.end()) continue;
    // Stopped early but alive: the body may follow minutes after the header.
    const bool watch_on = state == Load::State::abandoned;
    found->second.state = watch_on ? Suspect::State::dormant : Suspect::State::serving;
    found->second.mapping_seen = false;
    // What was read ahead of it will be missed by nobody when it goes on.
    const bool silent = watch_on && found->second.is_read_ahead_of && one.facts.mapped;
    found->second.bytes_at_end = found->second.bytes_in();
    if (silent) found->second.next_look_ns = now_ns + settings_.settle_ms * ms;
  }
  const Reader last = load.readers.empty() ? Reader{} : load.readers.back().reader;
  changes.push_back(
      {state == Load::State::finished ? LoadChangeKind::finished : LoadChangeKind::abandoned, last,
       load.id, reason});
}

Load* Detector::running_load_of(const Reader& reader, const Facts& facts) {
  for (auto& [id, load] : loads_) {
    if (load.state != Load::State::loading) continue;
    for (const LoadReader& one : load.readers) {
      const FileId& known = one.reader.file;
      if (known == reader.file) return &load;
      // A path means the same model only on the same file system: containers share names.
      const bool same_store = known.device_major == reader.file.device_major &&
                              known.device_minor == reader.file.device_minor;
      if (same_store && !facts.model.empty() && facts.model == load.model) return &load;
    }
  }
  return nullptr;
}

void Detector::forget_ended_loads() {
  for (auto it = loads_.begin(); it != loads_.end();) {
    if (it->second.state == Load::State::loading) {
      ++it;
      continue;
    }
    serving_.insert(it->second.processes.begin(), it->second.processes.end());
    it = loads_.erase(it);
  }
}

Detector::Changes Detector::on_process_gone(const ProcessId& process, uint64_t now_ns) {
  Changes changes;
  forget_ended_loads();
  serving_.erase(process);
  for (auto& [id, load] : loads_) {
    if (load.processes.erase(process) == 0 || !load.processes.empty()) continue;
    if (load.state != Load::State::loading) continue;
    const bool complete = load.loaded_bytes + step_bytes >= load.total_bytes;
    end(load, complete ? Load::State::finished : Load::State::abandoned,
        complete ? "all bytes are in; the reader ended" : "the reader ended", now_ns, changes);
  }
  for (auto it = suspects_.lower_bound(Reader{process, FileId{}});
       it != suspects_.end() && it->first.process == process; it = suspects_.erase(it)) {
    const Suspect& suspect = it->second;
    using State = Suspect::State;
    const bool is_decided = suspect.state == State::loading || suspect.state == State::serving ||
                            suspect.state == State::done || suspect.load != 0;
    if (!is_decided) {
      changes.push_back({LoadChangeKind::rejected, it->first, 0,
                         suspect.read_seen ? "ended without keeping what it read"
                                           : "ended without reading what it mapped"});
    }
  }
  return changes;
}

Detector::Changes Detector::cancel(uint32_t id, uint64_t now_ns) {
  Changes changes;
  auto found = loads_.find(id);
  if (found == loads_.end() || found->second.state != Load::State::loading) return changes;
  end(found->second, Load::State::abandoned, "cancelled", now_ns, changes);
  for (const LoadReader& one : found->second.readers) {
    auto suspect = suspects_.find(one.reader);
    if (suspect == suspects_.end()) continue;
    suspect->second.state = Suspect::State::done;
    suspect->second.next_look_ns.reset();
  }
  return changes;
}

std::vector<Reader> Detector::active_readers() const {
  std::vector<Reader> readers;
  for (const auto& [id, load] : loads_) {
    if (load.state != Load::State::loading) continue;
    for (const LoadReader& one : load.readers) readers.push_back(one.reader);
  }
  return readers;
}

uint64_t Detector::deadline_of(const Load& load) const {
  if (load.loaded_bytes >= load.total_bytes) return load.last_progress_ns;
  if (load.tail_checked) return load.last_progress_ns + settings_.settle_ms * ms;
  const uint64_t untold = step_bytes * std::max<uint64_t>(1, load.readers.size());
  const bool tail = load.loaded_bytes + untold >= load.total_bytes;
  return load.last_progress_ns + (tail ? tail_check_ms : settings_.settle_ms) * ms;
}

const Load* Detector::load(uint32_t id) const {
  auto found = loads_.find(id);
  return found == loads_.end() ? nullptr : &found->second;
}

}  // namespace tuneshift
