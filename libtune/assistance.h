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
  bool confirmed = false;    ///< a load; else a suspect
  bool fuse = false;         ///< is_fuse() of its store
  bool rotational = false;   ///< any of the store's disks
  bool shared = false;       ///< others read from its store: Neighbours::share()
  unsigned descriptors = 0;  ///< that the reader has open on the file now
  unsigned rewindowed =
      0;                ///< were given the store's read-ahead; a mapping keeps it when they close
  unsigned direct = 0;  ///< of the open ones: O_DIRECT
  bool mapped = false;  ///< the reader has the file mapped
  bool by_large_reads = false;    ///< several or large reads in flight: it prefetches by itself
  uint64_t missed_bytes = 0;      ///< by now
  uint64_t ordered_bytes = 0;     ///< Event::bytes of the last event: whose order is known
  uint64_t sequential_bytes = 0;  ///< Event::sequential of the same event
  uint32_t jumps = 0;             ///< Event::jumps of the same event
  uint32_t tensor_jumps = 0;      ///< the same of a reader's first load; 0 of later ones
  uint64_t first_bytes_us = 0;    ///< for its first 8 MiB of misses; 0: not known
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
  bool jumps = false;  ///< its order is its own, but for a window: for budget_ahead() as `random`
  std::string reason;  ///< one line for people
};

/// "none", "window", "prefetch".
const char* to_string(Assistance::Kind kind);

/// Pure. Ask again with every progress: an order shows with time, descriptors are closed, a suspect
/// becomes a load, and what a worker has fetched is `none` for being cached.
Assistance decide_assistance(const AssistanceQuestion& question);

/// Where one prefetch stands.
struct AheadQuestion {
  bool confirmed = false;
  bool random = false;  ///< Assistance::random or jumps
  uint64_t file_size = 0;
  uint64_t consumed_bytes = 0;           ///< of the file by the reader: consumed_bytes()
  uint64_t consumed_bytes_a_second = 0;  ///< 0: not known yet
  uint64_t head_room_bytes = 0;          ///< now
};

/// How many bytes of the file the worker may have gone through in all, cached ones counted; ask
/// with every progress, it may also shrink. 0: wait, memory is too tight for now.
///  - Nothing when head room is below the reserve (head_room_reserve_bytes).
///  - The whole file when head room covers it and the reserve. Head room counts the file's resident
///    pages as free, hence the file rather than what is missing of it.
///  - Else, in random order, nothing: most of what is read would be evicted before it is used.
///  - Else what the reader has consumed and a window ahead of it: two seconds of its rate, but 64
///    MiB at least and a quarter of the head room at most.
///  - A suspect's is never more than the first 64 MiB (suspect_budget_bytes).
uint64_t budget_ahead(const AheadQuestion& question);

/// The most that is read for a reader that may turn out to be a checksum.
inline constexpr uint64_t suspect_budget_bytes = 64ULL << 20;

/// Head room that is left alone: a quarter of it, the least window ahead, is what a worker has in
/// flight (32 MiB); the rest is for what the reader allocates until the next question, and for
/// memory.stat, which lags behind by some MiB.
inline constexpr uint64_t head_room_reserve_bytes = 128ULL << 20;

/// Less than this is missing: the reader has it before a worker has started. One step of the
/// probes' events (TUNESHIFT_STEP_BYTES).
inline constexpr uint64_t least_missing_bytes = 8ULL << 20;

/// Fewer misses do not tell an order: a header and the first windows come in any. From there on it
/// is random when more than half of them do not continue where the last ended (`mixed` and
/// `sequential` of a load's pattern are not). A window of read-ahead is sequential in itself: what
/// a large one makes of random faults counts as served by it.
inline constexpr uint64_t least_order_bytes = 4ULL << 20;

/// Or so many jumps: pages at random from a slow store are few bytes for long.
inline constexpr uint32_t least_order_jumps = 32;

/// A load that is in order but for so many jumps, by this many bytes and at least one for so many,
/// touches tensor after tensor in an order of its own. It waits for a request at each, and for its
/// window to grow again. A reader in order has three early ones: the header's, the first byte's,
/// and where its window is reset.
inline constexpr uint32_t least_tensor_jumps = 4;
inline constexpr uint64_t least_tensor_bytes = 32ULL << 20;
inline constexpr uint64_t tensor_bytes_a_jump = 32ULL << 20;

/// A worker asks for 128 KiB at a time through a FUSE mapping, a window for 1 MiB. Where the first
/// 8 MiB took longer, a request takes so long that the window has more in flight and loses its room
/// to the worker's requests: of 5 ms each they took 25 ms, of 20 ms each 43 to 65.
inline constexpr uint64_t most_first_bytes_us = 30'000;

/// Whether it is FUSE (virtiofs and fuseblk too), where one more open may throw the reader's pages
/// out: without FOPEN_KEEP_CACHE, the library's default (fs/fuse/file.c fuse_finish_open()).
/// `file_system` is Store::file_system; without it, whatever has no block device
/// (Event::has_block_device) may be one.
bool is_fuse(std::string_view file_system, bool has_block_device);

}  // namespace tuneshift
