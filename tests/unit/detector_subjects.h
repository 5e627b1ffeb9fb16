// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <vector>

#include "libtune/detector.h"

namespace tuneshift::test {

inline constexpr uint64_t ms = 1'000'000;
inline constexpr uint64_t mib = 1 << 20;
inline constexpr uint64_t size = 512 * mib;

inline Reader reader_of(pid_t pid, uint64_t inode = 7) {
  return {{pid, 1000}, {8, 1, inode}};
}

inline Event event_at(const Reader& reader, Evidence evidence, uint64_t time_ns, uint64_t bytes) {
  Event event;
  event.reader = reader;
  event.evidence = evidence;
  event.time_ns = time_ns;
  event.first_ns = 1 * ms;
  event.bytes = bytes;
  event.sequential = bytes;
  event.file_size = size;
  event.command = "reader";
  return event;
}

inline Facts model_facts(bool mapped) {
  Facts facts;
  facts.format = "safetensors";
  facts.detail = "safetensors header";
  facts.path = "/m/model.safetensors";
  facts.model = "/m/model.safetensors";
  facts.file_size = size;
  facts.model_bytes = size;
  facts.mapped = mapped;
  return facts;
}

inline std::vector<LoadChangeKind> kinds(const Detector::Changes& changes) {
  std::vector<LoadChangeKind> found;
  for (const auto& change : changes) found.push_back(change.kind);
  return found;
}

using Kinds = std::vector<LoadChangeKind>;
using Kind = LoadChangeKind;

inline constexpr uint64_t proof = Detector::mapping_proof_bytes;

/// A reader that maps a model file and has begun to read it: load 1.
inline Detector loading_detector(const Reader& reader) {
  Detector detector({2000});
  detector.on_event(event_at(reader, Evidence::mapping, 1 * ms, 0));
  detector.on_facts(reader, model_facts(true), 3 * ms);
  detector.on_event(event_at(reader, Evidence::read_miss, 4 * ms, proof));
  return detector;
}

}  // namespace tuneshift::test
