// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "libtune/event.h"
#include "libtune/facts.h"

namespace tuneshift {

/// What the detector concluded. The order of a reader's life: suspected, then recognised or
/// rejected; started or joined; progress; then finished or abandoned for its load. Or serving,
/// where there was nothing to load; and suspected again when it loads what it had loaded.
enum class LoadChangeKind {
  suspected,   ///< a large file is being read or mapped: find out who and what it is
  look_again,  ///< the facts were taken too early: ask for them once more
  recognised,  ///< a model file; its own store may be helped, nothing else yet
  dormant,     ///< recognised, but stopped reading: no help for now, watched on
  forgotten,   ///< reads nothing now and made room for another: its next event brings it back
  rejected,    ///< not a load; no more events are wanted from this reader
  started,     ///< a load began, with this reader
  joined,      ///< another process or shard of a running load
  progress,    ///< more bytes of a running load
  finished,    ///< all bytes are in, or their flow ended with most of them in
  abandoned,   ///< the readers have gone, or stopped early
  serving,     ///< has all of a model mapped that was cached before: serves without a load
};

/// "suspected", "recognised", …
const char* to_string(LoadChangeKind kind);

struct LoadChange {
  LoadChangeKind kind = LoadChangeKind::suspected;
  Reader reader;       ///< whom it is about; for finished and abandoned the last one seen
  uint32_t load = 0;   ///< from 1; 0 before a load exists
  std::string reason;  ///< the evidence, or why it was rejected or abandoned: one line; empty where
                       ///< it serves from another file of a model that was told of
};

/// A process that reads, or has read, a file of a load.
struct LoadReader {
  Reader reader;
  uint64_t bytes = 0;   ///< came to it: missed, or read ahead of it
  uint64_t missed = 0;  ///< by itself
  uint64_t sequential = 0;
  uint64_t cached_bytes = 0;  ///< were in the page cache before it came
  Facts facts;
};

/// What all readers of a load have of one file.
struct LoadFile {
  uint64_t bytes = 0;  ///< ranks share its misses among them
  uint64_t cached_bytes = 0;
  uint64_t size = 0;
};

/// One load: all shards and processes of one model. Times are CLOCK_MONOTONIC ns.
struct Load {
  enum class State { loading, finished, abandoned };

  uint32_t id = 0;
  State state = State::loading;
  std::string model;
  std::string format;
  std::string evidence;
  uint64_t total_bytes = 0;
  uint64_t loaded_bytes = 0;  ///< never more than total_bytes
  uint32_t shards = 1;
  uint64_t first_ns = 0;  ///< the first reader's first mapping or miss
  uint64_t started_ns = 0;
  uint64_t last_progress_ns = 0;
  uint64_t finished_ns = 0;
  bool tail_checked = false;  ///< the count between two events was asked for since the last one
  std::vector<LoadReader> readers;   ///< in the order in which they came
  std::map<FileId, LoadFile> files;  ///< sums of the readers, as are these:
  uint64_t model_bytes = 0;          ///< as its index or its names tell; 0 where they do not
  uint64_t file_bytes = 0;           ///< of all its files that are known
  uint64_t counted_bytes = 0;        ///< of them
  uint64_t missed_bytes = 0;
  uint64_t sequential_bytes = 0;
  std::set<ProcessId> processes;  ///< those still alive
};

/// "loading", "finished" or "abandoned".
const char* to_string(Load::State state);

}  // namespace tuneshift
