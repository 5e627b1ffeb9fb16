// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/consumption.h"

#include <algorithm>

namespace tuneshift {

uint64_t consumed_bytes(const Consumption& consumption) {
  const auto figure = consumption.mapped ? &ProcessSample::file_bytes : &ProcessSample::read_bytes;
  const uint64_t before = consumption.at_start.*figure;
  const uint64_t grown = std::max(consumption.now.*figure, before) - before;
  const uint64_t size = consumption.file_size;
  // Both are below the size first: the sum of two hostile figures must not wrap.
  const uint64_t missed = std::min(consumption.missed_bytes, size);
  const uint64_t fetched = std::min(consumption.fetched_bytes, size - missed);
  const uint64_t arrived = missed + fetched;
  const uint64_t told = consumption.told_before;
  const uint64_t missed_since = missed - std::min(missed, consumption.missed_before);
  const uint64_t passed = told < arrived ? std::min(missed_since, arrived - told) : 0;
  return std::max(std::min(grown, arrived), told + passed);
}

}  // namespace tuneshift
