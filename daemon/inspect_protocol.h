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

// What tuneshift-inspect answers, in one packet on the SOCK_SEQPACKET socket that is its standard
// input. What it is asked is in inspect_request.h.

inline constexpr size_t max_inspect_reply_bytes = size_t{64} << 10;
inline constexpr size_t max_inspect_descriptors = 256;

/// The helper's packet: lines of key=value, strings in hexadecimal.
std::string format_inspect_reply(const Result<Facts>& result);

/// Reads the helper's packet as hostile input: it handled other people's files. Whatever is
/// unknown, missing, repeated or out of bounds makes it an io error.
Result<Facts> parse_inspect_reply(std::string_view packet);

}  // namespace tuneshift
