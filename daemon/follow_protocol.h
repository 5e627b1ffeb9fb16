// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "libtune/coverage.h"
#include "libtune/event.h"
#include "libtune/result.h"

namespace tuneshift {

// What tuneshiftd and tuneshift-follow say to each other on the helper's SOCK_SEQPACKET standard
// input: the task one way, a report the other each time there is something new.

inline constexpr uint32_t follow_version = 2;
inline constexpr size_t max_follow_packet_bytes = 1536;

struct FollowTask {
  Reader reader;
  uint64_t file_size = 0;
};

/// How far a reader is since it has been followed.
struct FollowReport {
  Coverage coverage;        ///< of the file by what it has mapped, seen at any time
  uint64_t read_bytes = 0;  ///< it read(2), of any file: its rchar (proc_pid_io(5)) grew by
};

std::string format_follow_task(const FollowTask& task);
/// invalid_argument for a packet of another version or length, or numbers out of their ranges.
Result<FollowTask> parse_follow_task(std::string_view packet);

std::string format_follow_report(const FollowReport& report);
/// An io error for a packet of another version or length.
Result<FollowReport> parse_follow_report(std::string_view packet);

}  // namespace tuneshift
