// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "daemon/prefetcher.h"
#include "libtune/result.h"

namespace tuneshift {

// What tuneshiftd and tuneshift-prefetch say to each other on the worker's SOCK_SEQPACKET standard
// input: the order, then permits one way, progress the other. Both programs come
// from one build; the version keeps those of two builds apart.

inline constexpr uint32_t prefetch_version = 2;
inline constexpr size_t max_prefetch_packet_bytes = 1024;
/// At most one progress packet for so many bytes, and the last.
inline constexpr uint64_t prefetch_report_bytes = uint64_t{16} << 20;

struct PrefetchTask {
  PrefetchOrder order;
  PrefetchPermit permit;
};

std::string format_prefetch_task(const PrefetchTask& task);

/// invalid_argument for a packet of another version or length, or an order out of its ranges.
Result<PrefetchTask> parse_prefetch_task(std::string_view packet);

std::string format_prefetch_permit(const PrefetchPermit& permit);

/// invalid_argument for a packet of another version or length.
Result<PrefetchPermit> parse_prefetch_permit(std::string_view packet);

/// Engine and trouble are cut to what a packet holds.
std::string format_prefetch_progress(const PrefetchProgress& progress);

/// Reads a worker's packet as hostile input: an io error unless every field is in its range. No
/// more bytes than `file_size` have arrived; engine and trouble are printable.
Result<PrefetchProgress> parse_prefetch_progress(std::string_view packet, uint64_t file_size);

}  // namespace tuneshift
