// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string>

#include "client/format.h"
#include "client/json.h"

namespace tuneshift {

// `buckets` is an array of counts: element i has the requests of [2^i, 2^(i+1)) µs or bytes, the
// first also those of less.

/// All requests.
uint64_t count_requests(const Json& buckets);

/// The upper bound of the bucket in which the given share of all requests is reached; 0 when there
/// were none.
uint64_t percentile_limit(const Json& buckets, double share);

/// The requests since `earlier` was read; all of `later` when the counters began anew meanwhile.
Json requests_since(const Json& earlier, const Json& later);

/// Both added up.
Json sum_of(const Json& some, const Json& others);

/// The time in the queue of all requests of `device`: those that are missing in `queue` went past
/// it, and waited no time.
Json queue_of_all(const Json& queue, const Json& device);

/// Rows of from, to and count, from the first to the last bucket that is not empty.
Json histogram_rows(const Json& buckets);

/// Time in the queue and time on the device as bars beside each other, under a line with the title,
/// the number of requests and what half and 99 % of them took.
std::string render_latency(const std::string& title, const Json& queue, const Json& device,
                           const Style& style);

/// The sizes of requests as bars under a line with the title.
std::string render_sizes(const std::string& title, const Json& sizes, const Style& style);

}  // namespace tuneshift
