// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libtune/result.h"

namespace tuneshift {

/// How a program loads its model.
enum class ReadOrder {
  mmap,     ///< mapped, each page touched, from front to back
  tensor,   ///< mapped, in the order of a safetensors header
  random,   ///< mapped, 4 KiB pages in any order
  read,     ///< read(2) of 1 MiB into its own memory
  threads,  ///< pread(2) of 1 MiB by 8 threads in turn
  direct,   ///< the same past the page cache (O_DIRECT)
};

/// The names of the readers, in the order of the enumeration.
const std::vector<std::string>& reader_names();

/// Whether a reader keeps the file in memory of its own beside the page cache.
bool keeps_a_copy(ReadOrder reader);

/// Loads a file as a program does that knows nothing of tuneshift, and drops it: nanoseconds, from
/// before it was opened to its last byte.
Result<uint64_t> load_file(const std::string& path, ReadOrder reader);

}  // namespace tuneshift
