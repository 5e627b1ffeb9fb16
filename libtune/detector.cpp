// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/detector.h"

#include <algorithm>
#include <string_view>

namespace tuneshift {

namespace {

// Residency is asked some milliseconds after the count of misses was taken: what a fast device
// delivers in between is not "cached before".
constexpr uint64_t residency_slack_bytes = 64ULL << 20;

bool is_read(Evidence evidence) {
  return evidence != Evidence::mapping;
}

/// Whether asking again later may help: the file system was slow or the inspector busy.
bool is_passing(const Error& error) {
  return error.code == ErrorCode::timeout || error.code == ErrorCode::limit_exceeded ||
         error.code == ErrorCode::io;
}

bool is_known(const Facts& facts) {
  return facts.format != unknown_format;
}

/// "a gguf file", "an onnx file".
std::string a_file(const Facts& facts) {
  const bool vowel = std::string_view("aeiou").find(facts.format.front()) != std::string_view::npos;
  return (vowel ? "an " : "a ") + facts.format + " file";
}

/// Mapped, and all but 5 % of it was in the page cache before its reader came.
bool is_warm(const Facts& facts, uint64_t own_bytes) {
  if (!facts.mapped || !is_known(facts) || !facts.resident_bytes) return false;
  const uint64_t resident = *facts.resident_bytes;
  return resident - std::min(resident, own_bytes) >= facts.file_size - facts.file_size / 20;
}

}  // namespace

bool Detector::Suspect::misses_mapping() const {
  if (!facts->mapped || !read_seen) return false;
  return bytes_in() >= std::min(mapping_proof_bytes, facts->file_size / 4) ||
         latest.jumps >= jumps_before + mapping_proof_jumps;
}

uint64_t Detector::Suspect::bytes_in() const {
  return std::max(latest.bytes - bytes_before, consumed);
}

bool Detector::make_room(Changes& changes) {
  if (suspects_.size() < max_suspects) return true;
  // Nothing is lost with those that read nothing now: their next event brings them back.
  using State = Suspect::State;
  for (const State state :
       {State::done, State::absent, State::unanswered, State::dormant, State::serving}) {
    const auto resting = std::find_if(suspects_.begin(), suspects_.end(), [&](const auto& entry) {
      return entry.second.state == state;
    });
    if (resting == suspects_.end()) continue;
    const Reader reader = resting->first;
    suspects_.erase(resting);
    if (state != State::done) changes.push_back({LoadChangeKind::forgotten, reader, 0, ""});
    return true;
  }
  return false;
}

Detector::Suspect* Detector::suspect_of(const Event& event, Changes& changes) {
  auto found = suspects_.find(event.reader);
  if (found != suspects_.end()) return &found->second;
  Changes room;
  if (!make_room(room)) return nullptr;
  Suspect& suspect = suspects_[event.reader];
  suspect.asked_ns = event.time_ns;
  suspect.first_ns = event.first_ns;
  changes.push_back({LoadChangeKind::suspected, event.reader, 0, to_string(event.evidence)});
  changes.insert(changes.end(), room.begin(), room.end());
  return &suspect;
}

Detector::Changes Detector::on_event(const Event& event) {
  Changes changes;
  Suspect* const found = suspect_of(event, changes);
  if (found == nullptr || found->state == Suspect::State::done) return changes;
  Suspect& suspect = *found;
  if (suspect.state == Suspect::State::absent) {
    see_absent(event, suspect, changes);
    return changes;
  }
  if (suspect.state == Suspect::State::serving) {
    see_server(event, suspect, changes);
    return changes;
  }
  // Two probes may tell of the same reader out of order: counts only grow.
  const uint64_t bytes = std::max(event.bytes, suspect.latest.bytes);
  if (suspect.bytes_before == 0) suspect.first_ns = std::min(suspect.first_ns, event.first_ns);
  suspect.latest = event;
  suspect.latest.bytes = bytes;
  suspect.last_ns = std::max(suspect.last_ns, event.time_ns);
  (is_read(event.evidence) ? suspect.read_seen : suspect.mapping_seen) = true;
  decide(event.reader, suspect, event.time_ns, changes);
  return changes;
}

void Detector::see_absent(const Event& event, Suspect& suspect, Changes& changes) {
  // One that opens it for a moment again and again is not looked for each time.
  const bool is_often = suspect.closed_looks >= most_looks;
  if (is_often && event.time_ns < suspect.asked_ns + closed_retry_ms * ms) return;
  Suspect again;
  again.latest = event;
  again.latest.bytes = std::max(event.bytes, suspect.latest.bytes);
  again.bytes_before = suspect.latest.bytes;
  again.sequential_before = std::min(suspect.latest.sequential, event.sequential);
  again.jumps_before = std::min(suspect.latest.jumps, event.jumps);
  again.first_ns = again.last_ns = again.asked_ns = event.time_ns;
  (is_read(event.evidence) ? again.read_seen : again.mapping_seen) = true;
  again.closed_looks = suspect.closed_looks + 1;
  suspect = std::move(again);
  changes.push_back({LoadChangeKind::suspected, event.reader, 0,
                     std::string(to_string(event.evidence)) +
                         " of a file that it had closed when it was looked at"});
}

void Detector::see_server(const Event& event, Suspect& server, Changes& changes) {
  if (!is_read(event.evidence)) {
    server.mapping_seen = true;
    return;
  }
  if (event.bytes <= server.latest.bytes) return;
  // Faults in the mapping that it serves from are inference. A load needs another mapping, or
  // reads.
  if (server.facts->mapped && !server.mapping_seen) {
    server.latest.bytes = event.bytes;
    server.latest.sequential = event.sequential;
    server.latest.jumps = event.jumps;
    return;
  }
  Suspect again;
  again.latest = event;
  again.bytes_before = server.latest.bytes;
  again.sequential_before = std::min(server.latest.sequential, event.sequential);
  // The last event is from before the end of its load: jumps came after it.
  again.jumps_before = event.jumps;
  again.first_ns = again.last_ns = again.asked_ns = event.time_ns;
  again.mapping_seen = server.mapping_seen;
  again.read_seen = true;
  server = std::move(again);
  changes.push_back({LoadChangeKind::suspected, event.reader, 0,
                     std::string(to_string(event.evidence)) + " of a file that it had loaded"});
}

Detector::Changes Detector::on_facts(const Reader& reader, const Result<Facts>& facts,
                                     uint64_t now_ns) {
  Changes changes;
  auto found = suspects_.find(reader);
  if (found == suspects_.end() || found->second.state != Suspect::State::asked) return changes;
  Suspect& suspect = found->second;
  if (suspect.rests) {
    on_resting_facts(reader, suspect, facts, now_ns, changes);
    return changes;
  }
  suspect.last_ns = std::max(suspect.last_ns, now_ns);
  if (!facts.ok() && facts.error().code == ErrorCode::not_found) {
    // A header is read in a moment; the body may follow as long as the process lives. Until then it
    // has no help.
    suspect.state = Suspect::State::absent;
    suspect.facts.reset();
    changes.push_back({LoadChangeKind::forgotten, reader, 0, "had closed the file"});
    return changes;
  }
  if (!facts.ok() && is_passing(facts.error()) && suspect.looks < most_looks) {
    suspect.state = Suspect::State::unanswered;
    return changes;
  }
  if (!facts.ok()) {
    reject(reader, suspect, "could not be inspected: " + facts.error().message, changes);
    return changes;
  }
  Facts known = facts.value();
  if (const std::string reason = judge_facts(suspect, known); !reason.empty()) {
    reject(reader, suspect, reason, changes);
    return changes;
  }
  const bool first_look = !suspect.facts;
  suspect.facts = std::move(known);
  const uint64_t own_bytes = suspect.latest.bytes - suspect.bytes_before;
  if (first_look) {
    const uint64_t resident = suspect.facts->resident_bytes.value_or(0);
    suspect.cached_bytes = resident > own_bytes + residency_slack_bytes ? resident - own_bytes : 0;
  }
  suspect.state = Suspect::State::recognised;
  if (is_warm(*suspect.facts, own_bytes)) {
    if (!suspect.loader_rule.empty() || serves_already(reader, *suspect.facts)) {
      serve(reader, suspect, "rule '" + suspect.loader_rule + "'", changes);
      return changes;
    }
  }
  if (first_look) {
    changes.push_back({LoadChangeKind::recognised, reader, 0, suspect.facts->detail});
  }
  decide(reader, suspect, now_ns, changes);
  return changes;
}

std::string Detector::judge_facts(Suspect& suspect, Facts& facts) const {
  const bool loader = !facts.rule.empty() && facts.rule_role == ProcessRole::loader;
  if (!facts.rule.empty() && !loader) {
    return "rule '" + facts.rule + "': such programs load no model";
  }
  if (facts.role == FormatRole::data) return "not a model file: " + facts.detail;
  if (facts.format.empty()) {
    if (!loader && !facts.holds_gpu) return "not a model file: " + facts.detail;
    facts.format = unknown_format;
    facts.detail += facts.holds_gpu ? ", but its reader holds a GPU"
                                    : ", but its reader is known to load models";
  }
  suspect.loader_rule = loader ? facts.rule : "";
  return "";
}

void Detector::decide(const Reader& reader, Suspect& suspect, uint64_t now_ns, Changes& changes) {
  switch (suspect.state) {
    case Suspect::State::asked:
    case Suspect::State::absent:
    case Suspect::State::weighed:
    case Suspect::State::serving:
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
      suspect.next_look_ns.reset();
      changes.push_back({LoadChangeKind::recognised, reader, 0, "reads on"});
      break;
    case Suspect::State::loading: {
      Load& load = loads_.at(suspect.load);
      if (load.state != Load::State::loading) return;
      count(load, reader, suspect);
      load.last_progress_ns = std::max(load.last_progress_ns, now_ns);
      load.tail_checked = false;
      changes.push_back({LoadChangeKind::progress, reader, load.id, ""});
      return;
    }
    case Suspect::State::recognised:
      break;
  }
  decide_recognised(reader, suspect, now_ns, changes);
}

void Detector::decide_recognised(const Reader& reader, Suspect& suspect, uint64_t now_ns,
                                 Changes& changes) {
  const Facts& facts = *suspect.facts;
  const bool known = is_known(facts);
  if (known && suspect.read_seen && !suspect.loader_rule.empty()) {
    begin(reader, suspect, "rule '" + suspect.loader_rule + "': reads " + a_file(facts), now_ns,
          changes);
    return;
  }
  const Load* const running = known ? running_load_of(reader, facts) : nullptr;
  if (known && facts.mapped) {
    if (suspect.misses_mapping() || running != nullptr) {
      begin(reader, suspect, "maps " + a_file(facts), now_ns, changes);
    }
    return;
  }
  if (running != nullptr && running->processes.contains(reader.process) && suspect.read_seen) {
    begin(reader, suspect, "reads another file of the model", now_ns, changes);
    return;
  }
  // The event comes before the mapping exists: the inspector may have been faster.
  if (!facts.mapped && suspect.mapping_seen && suspect.looks < most_looks) {
    ++suspect.looks;
    suspect.state = Suspect::State::asked;
    changes.push_back({LoadChangeKind::look_again, reader, 0, "the mapping was not there yet"});
  }
}

void Detector::reject(const Reader& reader, Suspect& suspect, const std::string& reason,
                      Changes& changes) {
  suspect.state = Suspect::State::done;
  suspect.facts.reset();
  changes.push_back({LoadChangeKind::rejected, reader, 0, reason});
}

Detector::Changes Detector::on_sample(const Reader& reader, const ProcessSample& sample,
                                      uint64_t now_ns) {
  Changes changes;
  auto found = suspects_.find(reader);
  if (found == suspects_.end()) return changes;
  Suspect& suspect = found->second;
  if (!suspect.at_start) {
    suspect.at_start = sample;
    suspect.bytes_at_start = suspect.latest.bytes;
  }
  if (suspect.state == Suspect::State::weighed) weigh(reader, suspect, sample, now_ns, changes);
  if (suspect.state != Suspect::State::recognised) return changes;
  const Facts& facts = *suspect.facts;
  const uint64_t read = suspect.latest.bytes - suspect.bytes_at_start;
  switch (judge_keeping(*suspect.at_start, sample, read, facts.file_size)) {
    case Keeping::undecided:
      break;
    case Keeping::keeps:
      begin(reader, suspect, "keeps what it reads of " + a_file(facts), now_ns, changes);
      break;
    case Keeping::writes:
      reject(reader, suspect, "writes what it reads", changes);
      break;
    case Keeping::passes_on:
      // What goes to the GPU through a small buffer shows in no figure of the process.
      if (facts.holds_gpu && is_known(facts)) {
        begin(reader, suspect, "feeds a GPU from " + a_file(facts), now_ns, changes);
      } else {
        reject(reader, suspect, "passes on what it reads", changes);
      }
      break;
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

Detector::Changes Detector::on_consumed(const Reader& reader, uint64_t bytes, uint64_t now_ns) {
  Changes changes;
  auto found = suspects_.find(reader);
  if (found == suspects_.end()) return changes;
  Suspect& suspect = found->second;
  if (suspect.state != Suspect::State::loading && suspect.state != Suspect::State::recognised) {
    return changes;
  }
  suspect.is_read_ahead_of = true;
  // Fewer than were missed are news as well: a miss counts when it is asked for, and a window of a
  // slow store may come for longer than a load may be silent.
  if (bytes <= suspect.consumed) return changes;
  suspect.consumed = bytes;
  suspect.read_seen = true;
  suspect.last_ns = std::max(suspect.last_ns, now_ns);
  decide(reader, suspect, now_ns, changes);
  return changes;
}

bool Detector::wants_sample(const Reader& reader) const {
  auto found = suspects_.find(reader);
  if (found == suspects_.end()) return false;
  const Suspect& suspect = found->second;
  using State = Suspect::State;
  if (suspect.state == State::weighed) return true;
  if (!suspect.at_start) {
    return suspect.state == State::asked || suspect.state == State::unanswered ||
           suspect.state == State::recognised;
  }
  return suspect.state == State::recognised && suspect.read_seen &&
         suspect.latest.bytes >= suspect.bytes_at_start + memory_proof_bytes;
}

const Event* Detector::latest(const Reader& reader) const {
  auto found = suspects_.find(reader);
  return found == suspects_.end() ? nullptr : &found->second.latest;
}

uint64_t Detector::bytes_before(const Reader& reader) const {
  auto found = suspects_.find(reader);
  return found == suspects_.end() ? 0 : found->second.bytes_before;
}

const Facts* Detector::facts(const Reader& reader) const {
  auto found = suspects_.find(reader);
  return found == suspects_.end() || !found->second.facts ? nullptr : &*found->second.facts;
}

Reader Detector::known_reader(const Reader& sampled) const {
  constexpr uint64_t tick_ns = 10'000'000;  // USER_HZ
  const ProcessId& process = sampled.process;
  for (auto it = suspects_.lower_bound(Reader{process, FileId{}});
       it != suspects_.end() && it->first.process.pid == process.pid &&
       it->first.process.start_ns < process.start_ns + tick_ns;
       ++it) {
    const FileId& file = it->first.file;
    const bool same_device = file.device_major == sampled.file.device_major &&
                             file.device_minor == sampled.file.device_minor;
    const bool may_differ = file.device_major == 0 || sampled.file.device_major == 0;
    if (file.inode == sampled.file.inode && (same_device || may_differ)) return it->first;
  }
  return sampled;
}

bool Detector::is_undecided_or_loading(const Reader& reader) const {
  auto found = suspects_.find(reader);
  return found != suspects_.end() && (found->second.state == Suspect::State::recognised ||
                                      found->second.state == Suspect::State::loading);
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
