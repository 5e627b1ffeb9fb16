// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/held_files.h"

#include <algorithm>
#include <cstring>

namespace tuneshift {

namespace {

// Tells a packet of no record from none.
constexpr std::string_view magic = "tuneshift-files 1\n";
// Of the kernel's dev_t.
constexpr uint32_t most_major = (1U << 12) - 1;
constexpr uint32_t most_minor = (1U << 20) - 1;

struct Record {
  uint64_t inode;
  uint64_t size;
  uint32_t device_major;
  uint32_t device_minor;
  uint64_t has_disk;
};

}  // namespace

std::string format_held_files(const std::vector<HeldFile>& files) {
  std::string packet(magic);
  for (size_t i = 0; i < std::min(files.size(), most_held_files); ++i) {
    const auto& [file, size, has_disk] = files[i];
    const Record record{file.inode, size, file.device_major, file.device_minor, has_disk ? 1U : 0U};
    packet.append(reinterpret_cast<const char*>(&record), sizeof record);
  }
  return packet;
}

Result<std::vector<HeldFile>> parse_held_files(std::string_view packet) {
  const Error malformed{ErrorCode::io, "the inspector's list of files is malformed", {}, 0};
  if (!packet.starts_with(magic)) return malformed;
  packet.remove_prefix(magic.size());
  Record record{};
  if (packet.size() % sizeof record != 0 || packet.size() / sizeof record > most_held_files) {
    return malformed;
  }
  std::vector<HeldFile> files;
  for (; !packet.empty(); packet.remove_prefix(sizeof record)) {
    std::memcpy(&record, packet.data(), sizeof record);
    if (record.inode == 0 || record.size > INT64_MAX || record.device_major > most_major ||
        record.device_minor > most_minor || record.has_disk > 1) {
      return malformed;
    }
    files.push_back({{record.device_major, record.device_minor, record.inode},
                     record.size,
                     record.has_disk == 1});
  }
  return files;
}

}  // namespace tuneshift
