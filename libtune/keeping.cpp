// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/keeping.h"

#include <algorithm>

namespace tuneshift {

namespace {

constexpr uint64_t good_part_bytes = 256ULL << 20;

uint64_t growth(uint64_t before, uint64_t now) {
  return now > before ? now - before : 0;
}

}  // namespace

Keeping judge_keeping(const ProcessSample& before, const ProcessSample& now, uint64_t read_bytes,
                      uint64_t file_bytes) {
  if (read_bytes < memory_proof_bytes) return Keeping::undecided;
  // Read-ahead is counted before the program has it, so its own figures lag behind by a window.
  const uint64_t written = growth(before.written_bytes, now.written_bytes);
  if (written >= read_bytes / 2) return Keeping::writes;
  const uint64_t kept = growth(before.anonymous_bytes, now.anonymous_bytes);
  if (kept >= read_bytes / 2) return Keeping::keeps;
  const uint64_t good_part =
      std::max(memory_proof_bytes, std::min(good_part_bytes, file_bytes / 2));
  const uint64_t held = kept + growth(before.file_bytes, now.file_bytes);
  if (read_bytes >= good_part && held < read_bytes / 8) return Keeping::passes_on;
  return Keeping::undecided;
}

}  // namespace tuneshift
