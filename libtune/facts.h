// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libtune/format_rule.h"
#include "libtune/process_rule.h"

namespace tuneshift {

/// A descriptor that the reader holds on the file.
struct OpenDescriptor {
  int fd = -1;
  bool direct = false;  ///< O_DIRECT: read-ahead does nothing for it
};

/// What the inspector found out about a reader and its file. Strings are raw bytes from other
/// people's processes: escape() them before they reach a log or the bus.
struct Facts {
  std::string format;  ///< the name of the format rule that knew it ("gguf"); empty: none did
  FormatRole role = FormatRole::model;  ///< of that format
  std::string detail;                   ///< what was recognised, or why nothing could be: one line
  std::string path;                     ///< as the reader's own mount namespace names it
  uint64_t file_size = 0;
  std::optional<uint64_t> resident_bytes;  ///< already in the page cache; absent: may not be asked
  bool mapped = false;                     ///< the process has the file mapped now
  std::vector<OpenDescriptor> descriptors;
  std::string model;         ///< names one model: shards and readers of it share this
  uint64_t model_bytes = 0;  ///< size of all its shards that exist
  uint32_t shards = 1;
  bool holds_gpu = false;  ///< has a GPU device node open
  uint32_t uid = 0;
  std::string cgroup;        ///< the path in /proc/PID/cgroup (v2, or v1's name=systemd)
  std::string command_line;  ///< arguments separated by spaces, at most 256 bytes
  std::string rule;          ///< the process rule that names the reader; empty: none does
  ProcessRole rule_role = ProcessRole::loader;  ///< of that rule
};

}  // namespace tuneshift
