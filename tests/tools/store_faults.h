// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <utility>

namespace tuneshift {

/// Part of each file: its first byte and its length; without a length there is none.
using StoreRange = std::pair<uint64_t, uint64_t>;

/// Whether a read of `size` bytes at `offset` touches the range.
bool touches(const StoreRange& range, uint64_t offset, uint64_t size);

/// What goes wrong with the reads of a store.
struct StoreFaults {
  uint64_t jitter_us = 0;    ///< each read waits up to so much longer
  uint64_t seed = 1;         ///< of the jitter
  StoreRange failing;        ///< reads of it end with EIO
  StoreRange hanging;        ///< reads of it are not answered until they are let go
  uint64_t short_bytes = 0;  ///< no read is answered with more, 0: with all
};

/// How much longer this read takes: up to `jitter_us`, evenly spread, and always the same for a
/// seed, a file and an offset, in whatever order the reads arrive.
uint64_t jitter_ns(const StoreFaults& faults, uint64_t file, uint64_t offset);

/// From now on SIGUSR1 holds all reads and SIGUSR2 lets go of them, also of the hanging range, for
/// good. Each says so on standard output.
void set_up_holding();

/// Whether a read has to wait now: all are held, or it hangs and nothing was let go yet.
bool is_held(bool hangs);

}  // namespace tuneshift
