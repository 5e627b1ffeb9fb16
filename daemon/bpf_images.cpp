// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/bpf_images.h"

#include <cache_fills.skel.h>
#include <latency.skel.h>
#include <mappings.skel.h>
#include <nfs_reads.skel.h>
#include <reads.skel.h>
#include <shared_maps.skel.h>
#include <sysctl_writes.skel.h>

namespace tuneshift {

namespace {

template <typename Skeleton>
std::span<const char> image_of() {
  size_t size = 0;
  const void* bytes = Skeleton::elf_bytes(&size);
  return {static_cast<const char*>(bytes), size};
}

}  // namespace

std::span<const char> shared_maps_image() {
  return image_of<shared_maps_bpf>();
}
std::span<const char> reads_image() {
  return image_of<reads_bpf>();
}
std::span<const char> cache_fills_image() {
  return image_of<cache_fills_bpf>();
}
std::span<const char> mappings_image() {
  return image_of<mappings_bpf>();
}
std::span<const char> nfs_reads_image() {
  return image_of<nfs_reads_bpf>();
}
std::span<const char> latency_image() {
  return image_of<latency_bpf>();
}
std::span<const char> sysctl_writes_image() {
  return image_of<sysctl_writes_bpf>();
}

}  // namespace tuneshift
