// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>

#include "libtune/process_sample.h"

namespace tuneshift {

/// One reader of one file while somebody else fetches it. Sizes in bytes.
struct Consumption {
  ProcessSample at_start;  ///< when the reader was first seen
  ProcessSample now;
  uint64_t missed_bytes = 0;   ///< of the file by the reader itself (Event::bytes)
  uint64_t missed_before = 0;  ///< the same when told_before was told
  uint64_t fetched_bytes = 0;  ///< of the file the worker has gone through
  uint64_t file_size = 0;
  bool mapped = false;       ///< the reader has the file mapped; else it reads
  uint64_t told_before = 0;  ///< the last answer; 0 at first
};

/// How much of the file the reader has taken in. Its misses tell that no longer once a worker
/// reads ahead of it, so the growth of its own figures does: RssFile where the file is mapped
/// (faults map some pages around, so random order is seen too large), rchar where it is read. They
/// are the process's, not the file's: never more than has come of the file (missed and fetched, or
/// the file), never less than was told before. Where memory is short, pages are taken from it as
/// it maps others and RssFile stands still: what it misses since is then added to the last answer.
uint64_t consumed_bytes(const Consumption& consumption);

}  // namespace tuneshift
