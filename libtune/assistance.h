// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "libtune/head_room.h"

namespace tuneshift {

/// What is known of one reader of one file once its descriptors were re-windowed, or that was
/// tried. Sizes in bytes.
struct AssistanceQuestion {
  bool confirmed = false;         ///< a load; else a suspect
  bool has_block_device = true;   ///< as in Event
  bool fuse = false;              ///< is_fuse() of its store
  bool rotational = false;        ///< any of the store's disks
  unsigned descriptors = 0;       ///< that the reader has open on the file (Facts)
  unsigned rewindowed = 0;        ///< of those: have the store's read-ahead now
  unsigned direct = 0;            ///< of those: O_DIRECT
  bool mapped = false;            ///< the reader has the file mapped
  bool by_large_reads = false;    ///< several or large reads in flight: it prefetches by itself
  uint64_t missed_bytes = 0;      ///< Event::bytes
  uint64_t sequential_bytes = 0;  ///< Event::sequential
  uint64_t file_size = 0;
  uint64_t resident_bytes = 0;  ///< of the file, in the page cache
  HeadRoom head_room;
};

/// How one reader of one file is helped beyond the read-ahead of its store.
struct Assistance {
  enum class Kind {
    none,      ///< nothing helps, or nothing is needed
    window,    ///< the kernel's own read-ahead, raised and re-windowed, does
    prefetch,  ///< a worker reads ahead of it
  };
  enum class Way {
    descriptor,  ///< opened anew
    mapping,     ///< process_madvise(2) on the reader's own mapping: nothing is opened
  };
  enum class Account { reader, daemon };

  Kind kind = Kind::none;
  Way way = Way::descriptor;          ///< of a prefetch
  Account account = Account::reader;  ///< whose control group is charged
  uint64_t budget_bytes = 0;          ///< as budget_ahead() tells it; 0 unless prefetched
  bool random = false;                ///< the reader's order, for budget_ahead()
  std::string reason;                 ///< one line for people
};

/// "none", "window", "prefetch".
const char* to_string(Assistance::Kind kind);

/// Pure. Ask again when an answer to the question changes; `window` for lack of evidence becomes
/// `prefetch` when the order turns out to be random.
Assistance decide_assistance(const AssistanceQuestion& question);

/// Where one prefetch stands.
struct AheadQuestion {
  bool confirmed = false;
  bool random = false;  ///< Assistance::random
  uint64_t file_size = 0;
  uint64_t consumed_bytes = 0;           ///< of the file by the reader: consumed_bytes()
  uint64_t consumed_bytes_a_second = 0;  ///< 0: not known yet
  uint64_t head_room_bytes = 0;          ///< now
};

/// How many bytes of the file the worker may have gone through in all, cached ones counted; ask
/// with every progress, it may also shrink. 0: wait, memory is too tight for now.
///  - A suspect: the first 64 MiB (suspect_budget_bytes).
///  - A load: the whole file when head room covers it and a reserve. Head room counts the file's
///    resident pages as free, hence the file rather than what is missing of it.
///  - Else, in random order, nothing: a part of the file would be evicted before it is used.
///  - Else what the reader has consumed and a window ahead of it: two seconds of its rate, but 64
///    MiB at least and a quarter of the head room at most.
uint64_t budget_ahead(const AheadQuestion& question);

/// The most that is read for a reader that may turn out to be a checksum.
inline constexpr uint64_t suspect_budget_bytes = 64ULL << 20;

/// Head room that is left alone. A worker has 32 MiB in flight, the reader allocates meanwhile,
/// and a quarter of this is the least window ahead that keeps those 32 MiB busy.
inline constexpr uint64_t head_room_reserve_bytes = 128ULL << 20;

/// Less than this is missing: the reader has it before a worker has started. One step of the
/// probes' events (TUNESHIFT_STEP_BYTES).
inline constexpr uint64_t least_missing_bytes = 8ULL << 20;

/// Fewer misses do not tell an order: a header and the first windows come in any.
inline constexpr uint64_t least_order_bytes = 4ULL << 20;

/// Whether one more open may throw the reader's pages out: FUSE without FOPEN_KEEP_CACHE
/// (fs/fuse/file.c fuse_finish_open), virtiofs and fuseblk alike. `file_system` is
/// Store::file_system; an unknown one on no block device is to be taken for FUSE.
bool is_fuse(std::string_view file_system);

}  // namespace tuneshift
