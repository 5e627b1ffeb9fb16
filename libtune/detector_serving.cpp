// SPDX-License-Identifier: LGPL-2.1-or-later
// The detector's part for those that read nothing now: mappings of a cached file, which may serve
// from it, and readers that stopped.
#include <algorithm>

#include "libtune/detector.h"

namespace tuneshift {

namespace {

/// All but 5 %.
uint64_t least_warm(uint64_t file_size) {
  return file_size - file_size / 20;
}

}  // namespace

bool Detector::serves_already(const Reader& reader, const Facts& facts) const {
  for (auto it = suspects_.lower_bound(Reader{reader.process, FileId{}});
       it != suspects_.end() && it->first.process == reader.process; ++it) {
    const Suspect& other = it->second;
    if (other.state != Suspect::State::serving || !other.facts) continue;
    const FileId& file = it->first.file;
    if (other.facts->model == facts.model && file.device_major == reader.file.device_major &&
        file.device_minor == reader.file.device_minor) {
      return true;
    }
  }
  return false;
}

void Detector::serve(const Reader& reader, Suspect& suspect, const std::string& evidence,
                     Changes& changes) {
  const bool is_told = serves_already(reader, *suspect.facts);
  suspect.state = Suspect::State::serving;
  suspect.rests = false;
  suspect.mapping_seen = false;
  serving_.insert(reader.process);
  changes.push_back({LoadChangeKind::serving, reader, 0, is_told ? "" : evidence});
}

void Detector::rest(const Reader& reader, Suspect& suspect, Changes& changes) {
  suspect.state = Suspect::State::dormant;
  changes.push_back(
      {LoadChangeKind::dormant, reader, 0,
       suspect.read_seen ? "stopped reading without keeping it" : "mapped it and reads nothing"});
  const Facts& facts = *suspect.facts;
  // Whose residency nobody may ask may be cached as well.
  const bool may_serve = facts.mapped && !suspect.misses_mapping() &&
                         facts.format != unknown_format &&
                         (!facts.resident_bytes || *facts.resident_bytes >= facts.file_size / 2);
  if (may_serve) look_at_resting(reader, suspect, changes);
}

void Detector::look_at_resting(const Reader& reader, Suspect& suspect, Changes& changes) {
  ++suspect.warm_looks;
  suspect.next_look_ns.reset();
  suspect.rests = true;
  suspect.state = Suspect::State::asked;
  changes.push_back({LoadChangeKind::look_again, reader, 0, "keeps a file mapped"});
}

void Detector::rest_again(Suspect& suspect, uint64_t now_ns) const {
  suspect.state = Suspect::State::dormant;
  suspect.rests = false;
  if (suspect.warm_looks >= most_warm_looks) return;
  suspect.next_look_ns = now_ns + (settings_.settle_ms * ms << suspect.warm_looks);
}

void Detector::on_resting_facts(const Reader& reader, Suspect& suspect, const Result<Facts>& facts,
                                uint64_t now_ns, Changes& changes) {
  suspect.rests = false;
  suspect.state = Suspect::State::dormant;
  if (!facts.ok()) {
    // Closed meanwhile, or no answer: the next look may find it.
    rest_again(suspect, now_ns);
    return;
  }
  Facts known = facts.value();
  if (const std::string reason = judge_facts(suspect, known); !reason.empty()) {
    reject(reader, suspect, reason, changes);
    return;
  }
  suspect.facts = std::move(known);
  const uint64_t resident = suspect.facts->resident_bytes.value_or(0);
  // Also by whoever read ahead of it: it may have come to its reader without a miss.
  const bool fetched = suspect.is_read_ahead_of && resident >= least_warm(suspect.facts->file_size);
  if (suspect.facts->mapped && (fetched || !suspect.misses_mapping())) {
    suspect.state = Suspect::State::weighed;
  } else if (suspect.is_read_ahead_of && suspect.bytes_in() <= suspect.bytes_at_end) {
    // It was read ahead of, stopped, and has come no further.
    rest_again(suspect, now_ns);
  } else if (suspect.read_seen) {
    decide(reader, suspect, now_ns, changes);
  }
}

void Detector::weigh(const Reader& reader, Suspect& suspect, const ProcessSample& sample,
                     uint64_t now_ns, Changes& changes) {
  const Facts& facts = *suspect.facts;
  const uint64_t before = suspect.at_start->file_bytes;
  const uint64_t touched = sample.file_bytes > before ? sample.file_bytes - before : 0;
  // A small file is touched within milliseconds, before the first sample: then its size must do.
  const bool holds =
      touched >= facts.file_size / 2 || sample.file_bytes >= facts.file_size - facts.file_size / 10;
  if (!suspect.loader_rule.empty()) {
    serve(reader, suspect, "rule '" + suspect.loader_rule + "'", changes);
  } else if (holds) {
    serve(reader, suspect, "keeps all of it mapped", changes);
  } else {
    rest_again(suspect, now_ns);
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
    if (suspect.next_look_ns && now_ns >= *suspect.next_look_ns) {
      look_at_resting(reader, suspect, changes);
      continue;
    }
    // It may have read all there is meanwhile: no event of it would ask again.
    if (suspect.state == Suspect::State::unanswered) decide(reader, suspect, now_ns, changes);
    if (suspect.state != Suspect::State::recognised) continue;
    if (now_ns < suspect.last_ns + settings_.settle_ms * ms) continue;
    if (++suspect.pauses >= most_pauses) {
      reject(reader, suspect, "stops and goes on again and again", changes);
    } else {
      rest(reader, suspect, changes);
    }
  }
  return changes;
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
    if (suspect.state == Suspect::State::unanswered) take(suspect.asked_ns + retry_after_ms * ms);
    if (suspect.next_look_ns) take(*suspect.next_look_ns);
  }
  return next;
}

}  // namespace tuneshift
