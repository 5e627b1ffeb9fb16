// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "libtune/event.h"

namespace tuneshift {

/// A part of a file as a process has it mapped.
struct MappedRange {
  uint64_t offset = 0;  ///< in the file
  uint64_t length = 0;
  uint64_t address = 0;  ///< in the process
};

/// The range that a line of proc/PID/maps tells of, when it is one of the file on this device.
std::optional<MappedRange> parse_mapped_range(const char* line, const FileId& file);

/// The mappings of a file in what the descriptor of a proc/PID/maps shows now, by their offset.
/// Empty when there is none any more, or the process has gone.
std::vector<MappedRange> read_mapped_ranges(int maps_fd, const FileId& file);

}  // namespace tuneshift
