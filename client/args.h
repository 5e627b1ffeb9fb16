// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libtune/result.h"

namespace tuneshift {

/// "90", "90s", "10m", "2h", "1d", "1h30m" in seconds; at least 1 second, at most 10 years.
Result<uint64_t> parse_duration(const std::string& text);

/// A moment in µs since the epoch: a duration ago ("10m"), "today", "yesterday", "14:30",
/// "2025-01-31", "2025-01-31 14:30[:05]" (local time), "@SECONDS".
Result<uint64_t> parse_time(const std::string& text, uint64_t now_us);

/// What `why` was asked about.
struct Subject {
  enum class Kind { pid, path, knob } kind = Kind::knob;
  uint32_t pid = 0;
  std::string text;  ///< an absolute path without symbolic links, or a knob's name
};

/// Digits are a process; what starts with '/' or '.' or is the name of a file here is a path;
/// anything else is a knob. A path that exists is resolved, as the daemon knows files by their
/// real names.
Result<Subject> parse_subject(const std::string& text);

/// The arguments before the first "--", and the command after it.
struct SplitArguments {
  std::vector<std::string> own;
  std::vector<std::string> command;
  bool has_command = false;  ///< there was a "--"
};
SplitArguments split_arguments(int argc, char** argv);

}  // namespace tuneshift
