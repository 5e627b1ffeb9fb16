// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libtune/event.h"
#include "libtune/result.h"

namespace tuneshift {

// What tuneshiftd and tuneshift-drop say to each other on the helper's SOCK_SEQPACKET standard
// input: the task one way, one report the other.

inline constexpr uint32_t drop_version = 1;
inline constexpr size_t max_drop_task_bytes = size_t{128} << 10;
inline constexpr size_t max_drop_report_bytes = 512;

struct DropFile {
  FileId file;
  uint64_t size = 0;
  std::string path;  ///< as the process's mount namespace names it
};

/// Whose files are to leave the page cache.
struct DropTask {
  ProcessId process;
  std::vector<DropFile> files;
};

struct DropReport {
  uint32_t files = 0;   ///< whose pages were let go
  std::string trouble;  ///< why not all of them, for people; empty when all were
};

/// limit_exceeded when it does not fit into a packet.
Result<std::string> format_drop_task(const DropTask& task);
/// invalid_argument for a packet of another version, or one that is cut or goes on.
Result<DropTask> parse_drop_task(std::string_view packet);

std::string format_drop_report(const DropReport& report);
/// An io error for a packet of another version or length, or a text that is not fit for a log.
Result<DropReport> parse_drop_report(std::string_view packet);

}  // namespace tuneshift
