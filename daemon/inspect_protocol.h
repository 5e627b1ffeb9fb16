// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "libtune/event.h"
#include "libtune/facts.h"
#include "libtune/result.h"

namespace tuneshift {

// What the daemon and tuneshift-inspect say to each other, one packet each way on a
// SOCK_SEQPACKET socket that is the helper's standard input.

inline constexpr uint32_t inspect_protocol_version = 1;
inline constexpr size_t max_inspect_reply_bytes = size_t{64} << 10;
inline constexpr size_t max_inspect_descriptors = 256;

/// The daemon's packet: both programs come from one build.
struct InspectRequest {
  uint32_t version = inspect_protocol_version;
  int32_t pid = 0;
  uint64_t start_ns = 0;
  uint64_t inode = 0;
  uint64_t file_size = 0;
  uint32_t device_major = 0;
  uint32_t device_minor = 0;
};

/// The helper's packet: lines of key=value, strings in hexadecimal.
std::string format_inspect_reply(const Result<Facts>& result);

/// Reads the helper's packet as hostile input: it handled other people's files. Whatever is
/// unknown, missing, repeated or out of bounds makes it an io error.
Result<Facts> parse_inspect_reply(std::string_view packet);

}  // namespace tuneshift
