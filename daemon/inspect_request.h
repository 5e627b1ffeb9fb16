// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "libtune/format_rule.h"
#include "libtune/result.h"

namespace tuneshift {

// What the daemon says to tuneshift-inspect: one packet on a SOCK_SEQPACKET socket. Both programs
// come from one build; the version keeps those of two builds apart.

inline constexpr uint32_t inspect_request_version = 3;
/// The rules of read_rules() fit: a rule takes up to twice its size_of() here.
inline constexpr size_t max_inspect_request_bytes = size_t{64} << 10;

/// Whom and what to look at. Inode 0, which no file has, asks for the large files that the process
/// holds, of `file_size` or more: see held_files.h.
struct InspectRequest {
  uint32_t version = inspect_request_version;
  int32_t pid = 0;
  uint64_t start_ns = 0;
  uint64_t inode = 0;
  uint64_t file_size = 0;
  uint32_t device_major = 0;
  uint32_t device_minor = 0;
};

/// A request with the rules to look by.
struct Inquiry {
  InspectRequest request;
  FormatRules rules;
};

/// The rules as they follow the request in its packet.
std::string encode_format_rules(const FormatRules& rules);

/// `encoded_rules` is what encode_format_rules() made.
std::string format_inquiry(const InspectRequest& request, std::string_view encoded_rules);

/// invalid_argument for a packet of another version, or one that is cut or goes on.
Result<Inquiry> parse_inquiry(std::string_view packet);

}  // namespace tuneshift
