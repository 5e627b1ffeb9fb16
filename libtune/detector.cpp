// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/detector.h"

#include <algorithm>

namespace tuneshift {

namespace {

constexpr uint64_t ms = 1'000'000;
// Events come in steps of 8 MiB (TUNESHIFT_STEP_BYTES): up to one step a file is never announced.
constexpr uint64_t step_bytes = 8ULL << 20;
constexpr uint64_t tail_check_ms = 50;
// Residency is asked some milliseconds after the count of misses was taken: what a fast device
// delivers in between is not "cached before".
constexpr uint64_t residency_slack_bytes = 64ULL << 20;
constexpr uint64_t retry_after_ms = 1000;

bool is_read(Evidence evidence) {
  return evidence != Evidence::mapping;
}

/// Whether asking again later may help: the file system was slow or the inspector busy.
bool is_passing(const Error& error) {
  return error.code == ErrorCode::timeout || error.code == ErrorCode::limit_exceeded ||
         error.code == ErrorCode::io;
}

}  // namespace

Detector::Changes Detector::on_event(const Event& event) {
  Changes changes;
  auto found = suspects_.find(event.reader);
  if (found == suspects_.end()) {
    if (suspects_.size() >= max_suspects) {
      // Nothing is lost with those that read nothing now: their next event brings them back.
      auto resting = std::find_if(suspects_.begin(), suspects_.end(), [](const auto& entry) {
        return entry.second.state == Suspect::State::done ||
               entry.second.state == Suspect::State::dormant;
      });
      if (resting == suspects_.end()) return changes;
      suspects_.erase(resting);
    }
    found = suspects_.emplace(event.reader, Suspect{}).first;
    found->second.asked_ns = event.time_ns;
    changes.push_back({LoadChangeKind::suspected, event.reader, 0, to_string(event.evidence)});
  }
  Suspect& suspect = found->second;
  if (suspect.state == Suspect::State::done) return changes;

  // Two probes may tell of the same reader out of order: counts only grow.
  const uint64_t bytes = std::max(event.bytes, suspect.latest.bytes);
  const uint64_t first_ns =
      suspect.latest.first_ns ? std::min(suspect.latest.first_ns, event.first_ns) : event.first_ns;
  suspect.latest = event;
  suspect.latest.bytes = bytes;
  suspect.latest.first_ns = first_ns;
  suspect.last_ns = event.time_ns;
  (is_read(event.evidence) ? suspect.read_seen : suspect.mapping_seen) = true;
  decide(event.reader, suspect, event.time_ns, changes);
  return changes;
}

Detector::Changes Detector::on_facts(const Reader& reader, const Result<Facts>& facts,
                                     uint64_t now_ns) {
  Changes changes;
  auto found = suspects_.find(reader);
  if (found == suspects_.end() || found->second.state != Suspect::State::asked) return changes;
  Suspect& suspect = found->second;
  suspect.last_ns = std::max(suspect.last_ns, now_ns);
  if (!facts.ok() && is_passing(facts.error()) && suspect.looks < most_looks) {
    suspect.state = Suspect::State::unanswered;
    return changes;
  }
  if (!facts.ok()) {
    reject(reader, suspect, "could not be inspected: " + facts.error().message, changes);
    return changes;
  }
  if (facts.value().format.empty()) {
    reject(reader, suspect, "not a model file: " + facts.value().detail, changes);
    return changes;
  }
  const bool first_look = !suspect.facts;
  suspect.facts = facts.value();
  if (first_look) {
    const uint64_t resident = facts.value().resident_bytes.value_or(0);
    const uint64_t explained = suspect.latest.bytes + residency_slack_bytes;
    suspect.cached_bytes = resident > explained ? resident - suspect.latest.bytes : 0;
    changes.push_back({LoadChangeKind::recognised, reader, 0, facts.value().detail});
  }
  suspect.state = Suspect::State::recognised;
  decide(reader, suspect, now_ns, changes);
  return changes;
}

void Detector::decide(const Reader& reader, Suspect& suspect, uint64_t now_ns, Changes& changes) {
  switch (suspect.state) {
    case Suspect::State::asked:
    case Suspect::State::done:
      return;
    case Suspect::State::unanswered:
      if (now_ns < suspect.asked_ns + retry_after_ms * ms) return;
      ++suspect.looks;
      suspect.asked_ns = now_ns;
      suspect.state = Suspect::State::asked;
      changes.push_back({LoadChangeKind::look_again, reader, 0, "the last look had no answer"});
      return;
    case Suspect::State::dormant:
      suspect.state = Suspect::State::recognised;
      changes.push_back({LoadChangeKind::recognised, reader, 0, "reads on"});
      break;
    case Suspect::State::loading: {
      Load& load = loads_.at(suspect.load);
      if (load.state != Load::State::loading) return;
      count(load, reader, suspect);
      load.last_progress_ns = now_ns;
      load.tail_checked = false;
      changes.push_back({LoadChangeKind::progress, reader, load.id, ""});
      return;
    }
    case Suspect::State::recognised:
      break;
  }
  const Facts& facts = *suspect.facts;
  if (facts.mapped) {
    Load* running = running_load_of(reader, facts);
    if (suspect.read_seen || running != nullptr) {
      begin(reader, suspect, "maps a " + facts.format + " file", now_ns, changes);
    }
    return;
  }
  // The event comes before the mapping exists: the inspector may have been faster.
  if (suspect.mapping_seen && suspect.looks < most_looks) {
    ++suspect.looks;
    suspect.state = Suspect::State::asked;
    changes.push_back({LoadChangeKind::look_again, reader, 0, "the mapping was not there yet"});
  }
}

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
    fresh.first_ns = suspect.latest.first_ns;
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

void Detector::count(Load& load, const Reader& reader, const Suspect& suspect) {
  auto entry = std::find_if(load.readers.begin(), load.readers.end(),
                            [&](const LoadReader& known) { return known.reader == reader; });
  if (entry == load.readers.end()) {
    entry = load.readers.insert(load.readers.end(), LoadReader{});
    entry->reader = reader;
    entry->facts = *suspect.facts;
    entry->cached_bytes = suspect.cached_bytes;
  }
  entry->bytes = suspect.latest.bytes;
  entry->sequential = suspect.latest.sequential;

  // Ranks share one file's misses among them; no file counts for more than its size.
  struct Sum {
    uint64_t bytes = 0, cached = 0, size = 0;
  };
  std::map<FileId, Sum> files;
  uint64_t model_bytes = 0;
  for (const LoadReader& one : load.readers) {
    Sum& sum = files[one.reader.file];
    sum.bytes += one.bytes;
    sum.cached = std::max(sum.cached, one.cached_bytes);
    sum.size = one.facts.file_size;
    model_bytes = std::max(model_bytes, one.facts.model_bytes);
    load.shards = std::max(load.shards, one.facts.shards);
  }
  uint64_t loaded = 0, known = 0;
  for (const auto& [file, sum] : files) {
    loaded += std::min(sum.size, sum.bytes + sum.cached);
    known += sum.size;
  }
  load.total_bytes = std::max(model_bytes, known);
  load.loaded_bytes = std::min(loaded, load.total_bytes);
}

void Detector::reject(const Reader& reader, Suspect& suspect, const std::string& reason,
                      Changes& changes) {
  suspect.state = Suspect::State::done;
  suspect.facts.reset();
  changes.push_back({LoadChangeKind::rejected, reader, 0, reason});
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
    found->second.state = watch_on ? Suspect::State::dormant : Suspect::State::done;
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

Detector::Changes Detector::on_sample(const Reader& reader, const ProcessSample& sample,
                                      uint64_t now_ns) {
  Changes changes;
  auto found = suspects_.find(reader);
  if (found == suspects_.end() || found->second.state != Suspect::State::recognised) return changes;
  Suspect& suspect = found->second;
  if (!suspect.at_start) {
    suspect.at_start = sample;
    suspect.bytes_at_start = suspect.latest.bytes;
    return changes;
  }
  const uint64_t before = suspect.at_start->anonymous_bytes;
  const uint64_t grown = sample.anonymous_bytes > before ? sample.anonymous_bytes - before : 0;
  const uint64_t read = suspect.latest.bytes - suspect.bytes_at_start;
  if (read >= memory_proof_bytes && grown >= read / 2) {
    begin(reader, suspect, "keeps what it reads of a " + suspect.facts->format + " file", now_ns,
          changes);
  }
  return changes;
}

Detector::Changes Detector::on_bytes(const Reader& reader, uint64_t bytes, uint64_t now_ns) {
  Changes changes;
  auto found = suspects_.find(reader);
  if (found == suspects_.end() || bytes <= found->second.latest.bytes) return changes;
  found->second.latest.bytes = bytes;
  if (found->second.state == Suspect::State::loading) {
    decide(reader, found->second, now_ns, changes);
  }
  return changes;
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
    const auto state = it->second.state;
    if (state == Suspect::State::asked || state == Suspect::State::recognised) {
      changes.push_back(
          {LoadChangeKind::rejected, it->first, 0, "ended without keeping what it read"});
    }
  }
  return changes;
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

Detector::Changes Detector::on_timer(uint64_t now_ns) {
  Changes changes;
  forget_ended_loads();
  for (auto& [id, load] : loads_) {
    if (load.state != Load::State::loading) continue;
    if (load.total_bytes > 0 && load.loaded_bytes >= load.total_bytes) {
      end(load, Load::State::finished, "all bytes are in", now_ns, changes);
    } else if (now_ns >= load.last_progress_ns + settings_.settle_ms * ms) {
      const bool most = load.loaded_bytes >= load.total_bytes / 2;
      end(load, most ? Load::State::finished : Load::State::abandoned,
          most ? "no more bytes came" : "stopped early", now_ns, changes);
    }
    load.tail_checked = true;
  }
  for (auto& [reader, suspect] : suspects_) {
    if (suspect.state != Suspect::State::recognised) continue;
    if (now_ns < suspect.last_ns + settings_.settle_ms * ms) continue;
    if (++suspect.pauses >= most_pauses) {
      reject(reader, suspect, "stops and goes on again and again", changes);
      continue;
    }
    suspect.state = Suspect::State::dormant;
    changes.push_back(
        {LoadChangeKind::dormant, reader, 0,
         suspect.read_seen ? "stopped reading without keeping it" : "mapped it and reads nothing"});
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
    if (suspect != suspects_.end()) suspect->second.state = Suspect::State::done;
  }
  return changes;
}

bool Detector::wants_sample(const Reader& reader) const {
  auto found = suspects_.find(reader);
  if (found == suspects_.end()) return false;
  const Suspect& suspect = found->second;
  if (suspect.state != Suspect::State::recognised || !suspect.read_seen) return false;
  return !suspect.at_start || suspect.latest.bytes >= suspect.bytes_at_start + memory_proof_bytes;
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

std::optional<uint64_t> Detector::next_deadline_ns() const {
  std::optional<uint64_t> next;
  const auto take = [&](uint64_t deadline) { next = std::min(next.value_or(deadline), deadline); };
  for (const auto& [id, load] : loads_) {
    if (load.state == Load::State::loading) take(deadline_of(load));
  }
  for (const auto& [reader, suspect] : suspects_) {
    if (suspect.state == Suspect::State::recognised) {
      take(suspect.last_ns + settings_.settle_ms * ms);
    }
  }
  return next;
}

const Load* Detector::load(uint32_t id) const {
  auto found = loads_.find(id);
  return found == loads_.end() ? nullptr : &found->second;
}

const Facts* Detector::facts(const Reader& reader) const {
  auto found = suspects_.find(reader);
  return found == suspects_.end() || !found->second.facts ? nullptr : &*found->second.facts;
}

bool Detector::watches(const Reader& reader) const {
  auto found = suspects_.find(reader);
  return found != suspects_.end() && found->second.state != Suspect::State::done;
}

bool Detector::knows(const ProcessId& process) const {
  for (auto it = suspects_.lower_bound(Reader{process, FileId{}});
       it != suspects_.end() && it->first.process == process; ++it) {
    if (it->second.state != Suspect::State::done) return true;
  }
  return serving_.contains(process) ||
         std::any_of(loads_.begin(), loads_.end(),
                     [&](const auto& entry) { return entry.second.processes.contains(process); });
}

}  // namespace tuneshift
