// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/sampling.h"

#include <algorithm>
#include <utility>

namespace tuneshift {

namespace {

uint64_t difference(uint64_t later, uint64_t earlier) {
  return later > earlier ? later - earlier : 0;
}

// What came without a disk: reads and faults are one or the other.
uint64_t without_disk(const Intake& intake) {
  return std::max(intake.read_bytes, intake.mapped_bytes);
}

}  // namespace

uint64_t Sampling::growth(const Process& process) const {
  return std::max(stores_.with_disk ? process.grown.device_bytes : 0,
                  stores_.without_disk ? without_disk(process.grown) : 0);
}

void Sampling::see(const ProcessId& process, uint64_t age_ns, const Intake& intake,
                   uint64_t now_ns) {
  const auto [entry, is_new] = processes_.try_emplace(process);
  Process& known = entry->second;
  known.seen_in = look_;
  if (is_new) {
    known.from_birth = age_ns < young_ns;
    known.first_ns = known.from_birth ? difference(now_ns, age_ns) : now_ns;
    if (!known.from_birth) known.last = intake;
  }
  known.grown.device_bytes += difference(intake.device_bytes, known.last.device_bytes);
  known.grown.read_bytes += difference(intake.read_bytes, known.last.read_bytes);
  known.grown.mapped_bytes += difference(intake.mapped_bytes, known.last.mapped_bytes);
  known.last = intake;
}

std::vector<ProcessId> Sampling::whom_to_ask() {
  ++look_;
  std::erase_if(processes_,
                [&](const auto& entry) { return look_ - entry.second.seen_in > most_absent; });
  std::vector<std::pair<uint64_t, ProcessId>> grown;
  for (auto& [process, known] : processes_) {
    if (known.asked || growth(known) < least_bytes) continue;
    if (known.skips > 0) {
      --known.skips;
      continue;
    }
    grown.emplace_back(growth(known), process);
  }
  std::sort(grown.rbegin(), grown.rend());
  grown.resize(std::min(grown.size(), most_asked));
  std::vector<ProcessId> asked;
  for (const auto& [bytes, process] : grown) {
    processes_.at(process).asked = true;
    asked.push_back(process);
  }
  return asked;
}

std::vector<SampledRead> Sampling::on_files(const ProcessId& process,
                                            const std::vector<HeldFile>& files) {
  std::vector<SampledRead> reads;
  const auto found = processes_.find(process);
  if (found == processes_.end()) return reads;
  Process& known = found->second;
  known.asked = false;
  const auto is_let_go = [&](const FileId& file) {
    return std::none_of(files.begin(), files.end(),
                        [&](const HeldFile& held) { return held.file == file; });
  };
  std::erase_if(known.bytes, [&](const auto& entry) { return is_let_go(entry.first); });
  std::erase_if(known.silent, is_let_go);
  uint64_t from_disk = known.grown.device_bytes;
  uint64_t from_elsewhere = without_disk(known.grown);
  known.grown = {};
  for (const HeldFile& file : files) {
    if (known.silent.contains(file.file)) continue;
    if (!(file.has_disk ? stores_.with_disk : stores_.without_disk)) continue;
    uint64_t& left = file.has_disk ? from_disk : from_elsewhere;
    uint64_t& bytes = known.bytes[file.file];
    const uint64_t taken = std::min(left, difference(file.size, bytes));
    if (taken == 0) continue;
    left -= taken;
    bytes += taken;
    reads.push_back({{process, file.file},
                     known.first_ns,
                     bytes,
                     file.size,
                     file.has_disk,
                     std::exchange(known.from_birth, false)});
  }
  if (reads.empty()) {
    pause(known);
  } else {
    known.pause = 0;
  }
  return reads;
}

// One that reads many small files, or a file that is no model, must not be asked every second.
void Sampling::pause(Process& process) {
  process.asked = false;
  process.grown = {};
  process.pause = std::min(2 * process.pause + 1, longest_pause);
  process.skips = process.pause;
}

void Sampling::on_no_answer(const ProcessId& process) {
  const auto found = processes_.find(process);
  if (found != processes_.end()) pause(found->second);
}

void Sampling::silence(const Reader& reader) {
  const auto found = processes_.find(reader.process);
  if (found != processes_.end()) found->second.silent.insert(reader.file);
}

}  // namespace tuneshift
