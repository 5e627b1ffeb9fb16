// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/helper/mapped_ranges.h"

#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>

namespace tuneshift {

namespace {

constexpr size_t max_maps_bytes = 16 << 20;
constexpr size_t max_ranges = 4096;

}  // namespace

std::optional<MappedRange> parse_mapped_range(const char* line, const FileId& file) {
  uint64_t start = 0;
  uint64_t end = 0;
  uint64_t inode = 0;
  unsigned device_major = 0;
  unsigned device_minor = 0;
  MappedRange range;
  // "start-end perms offset major:minor inode path"
  if (std::sscanf(line, "%" SCNx64 "-%" SCNx64 " %*4s %" SCNx64 " %x:%x %" SCNu64, &start, &end,
                  &range.offset, &device_major, &device_minor, &inode) != 6 ||
      FileId{device_major, device_minor, inode} != file || end <= start) {
    return std::nullopt;
  }
  range.address = start;
  range.length = end - start;
  return range;
}

std::vector<MappedRange> read_mapped_ranges(int maps_fd, const FileId& file) {
  std::vector<MappedRange> ranges;
  static char text[65536];
  size_t held = 0;
  size_t total = 0;
  lseek(maps_fd, 0, SEEK_SET);
  while (total < max_maps_bytes && ranges.size() < max_ranges) {
    const ssize_t got = read(maps_fd, text + held, sizeof text - 1 - held);
    if (got <= 0) break;
    total += static_cast<size_t>(got);
    held += static_cast<size_t>(got);
    text[held] = '\0';
    char* line = text;
    while (char* const end = std::strchr(line, '\n')) {
      *end = '\0';
      if (const auto range = parse_mapped_range(line, file)) ranges.push_back(*range);
      line = end + 1;
    }
    held = static_cast<size_t>(text + held - line);
    std::memmove(text, line, held);
  }
  std::sort(ranges.begin(), ranges.end(), [](const MappedRange& one, const MappedRange& other) {
    return one.offset < other.offset;
  });
  return ranges;
}

}  // namespace tuneshift
