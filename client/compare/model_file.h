// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string>

#include "client/child.h"
#include "libtune/result.h"

namespace tuneshift {

/// A file whose loads are compared.
struct ModelFile {
  OwnedFd fd;
  std::string path;  ///< absolute, without symbolic links
  uint64_t size_bytes = 0;
  uint32_t device_major = 0;  ///< of its file system
  uint32_t device_minor = 0;
  bool can_tell_cached = false;  ///< the kernel says what is cached to owner, writer and root alone
};

constexpr uint64_t least_model_bytes = 16 << 20;

/// Opens a regular file for reading. Errors: not_found; permission; invalid_argument for anything
/// else than a file, an empty one or one below `least_model_bytes`, where starting a process takes
/// longer than reading; unsupported for one in memory (tmpfs, ramfs).
Result<ModelFile> open_model_file(const std::string& path);

/// Drops the pages of this file alone from the page cache, written back first. What stays is mapped
/// or locked by somebody, or on its way: bytes. 0 as well where the kernel does not tell.
Result<uint64_t> make_cold(const ModelFile& file);

}  // namespace tuneshift
