// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "libtune/result.h"

namespace tuneshift {

/// The first header_bytes of a file through a descriptor open for reading, which may be O_DIRECT.
/// Its offset does not move.
Result<std::string> read_beginning(int fd);

/// The same from the page cache alone, without waiting; absent when it is not there.
std::optional<std::string> read_cached_beginning(int fd);

/// The first header_bytes of what the process has mapped at `address`.
Result<std::string> read_mapped_beginning(pid_t pid, uint64_t address);

/// How much of an open file is in the page cache: exact up to 64 MiB, beyond from 64 samples of
/// 1 MiB. Absent where this user may not be told: the kernel then says that everything is.
std::optional<uint64_t> resident_bytes(int fd, uint64_t file_size, bool may_ask);

}  // namespace tuneshift
