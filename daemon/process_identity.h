// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace tuneshift {

/// The start time in a text of proc/PID/stat, in clock ticks since boot (field 22). The command in
/// it may hold spaces, parentheses and newlines.
std::optional<uint64_t> parse_start_ticks(std::string_view stat);

/// Whether proc/PID/stat is of the process that started at `start_ns` (CLOCK_BOOTTIME).
bool started_at(std::string_view stat, uint64_t start_ns);

/// The decimal (or octal) number after `key` at a line's start, as in proc/PID/fdinfo/N ("ino:",
/// "flags:").
std::optional<uint64_t> parse_field(std::string_view text, std::string_view key, int base = 10);

}  // namespace tuneshift
