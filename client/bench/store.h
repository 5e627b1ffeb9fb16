// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string>

#include "client/child.h"
#include "libtune/result.h"

namespace tuneshift {

/// Something to read from, past the page cache.
struct OpenStore {
  OwnedFd fd;  ///< O_DIRECT, for reading alone
  uint64_t size_bytes = 0;
  std::string kind;  ///< "directory", "file" or "device"
};

/// `path` is a directory, in which a file of `size_bytes` without a name is written and is gone
/// with the descriptor; a regular file, or a block device ("nvme0n1" as well), of which the first
/// `size_bytes` are read and nothing is written. Errors: not_found; permission; invalid_argument
/// for anything else, or what is smaller than `least_store_bytes`; limit_exceeded when the file
/// would take more than half of what is free; unsupported where direct reads are refused (tmpfs).
Result<OpenStore> open_store(const std::string& path, uint64_t size_bytes);

constexpr uint64_t least_store_bytes = 16 << 20;

}  // namespace tuneshift
