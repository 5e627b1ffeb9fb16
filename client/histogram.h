// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string>

#include "client/format.h"
#include "client/json.h"

namespace tuneshift {

// `buckets` is an array of counts: element i has the requests that took [2^i, 2^(i+1)) µs, the
// first also those that took less.

/// The upper bound of the bucket in which the given share of all requests is reached; 0 when there
/// were none.
uint64_t percentile_limit_us(const Json& buckets, double share);

/// Rows of from, to (µs) and count, from the first to the last bucket that is not empty.
Json histogram_rows(const Json& buckets);

/// The same as bars, under a line with the title and the number of requests.
std::string render_histogram(const std::string& title, const Json& buckets, const Style& style);

}  // namespace tuneshift
