// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>

#include "libtune/process_sample.h"

namespace tuneshift {

/// What a process does with a file that it reads: a loader keeps it, everything else does not.
enum class Keeping {
  undecided,
  keeps,      ///< its own memory grew by at least half of what it read
  writes,     ///< it wrote at least half as much: a copy, a compressed one, an upload
  passes_on,  ///< it read a good part, and next to nothing of it stayed: a checksum, a scan
};

/// Less than this says nothing: any program's memory grows by some.
inline constexpr uint64_t memory_proof_bytes = 64ULL << 20;

/// Judges the reads between two samples of a process: `read_bytes` that the page cache did not
/// have, of a file of `file_bytes`. A good part is 256 MiB or half the file, whichever is less, but
/// not under memory_proof_bytes.
Keeping judge_keeping(const ProcessSample& before, const ProcessSample& now, uint64_t read_bytes,
                      uint64_t file_bytes);

}  // namespace tuneshift
