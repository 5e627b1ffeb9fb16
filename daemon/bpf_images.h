// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <span>

namespace tuneshift {

/// The compiled BPF objects, embedded in the program.
std::span<const char> shared_maps_image();
std::span<const char> reads_image();
std::span<const char> cache_fills_image();
std::span<const char> mappings_image();
std::span<const char> nfs_reads_image();
std::span<const char> latency_image();
std::span<const char> sysctl_writes_image();

}  // namespace tuneshift
