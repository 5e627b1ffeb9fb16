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
  return std::max(std::min(grown, missed + fetched), consumption.told_before);
}

}  // namespace tuneshift
