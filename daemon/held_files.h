// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "libtune/result.h"
#include "libtune/sampling.h"

namespace tuneshift {

// What tuneshift-inspect answers when it is asked for the large files that a process holds: one
// packet of records, the file opened last first.

inline constexpr size_t most_held_files = 64;

/// The first most_held_files of them.
std::string format_held_files(const std::vector<HeldFile>& files);

/// Reads the packet as hostile input; an io error unless every record is whole and in its range.
Result<std::vector<HeldFile>> parse_held_files(std::string_view packet);

}  // namespace tuneshift
