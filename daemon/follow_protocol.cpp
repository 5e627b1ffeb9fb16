// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/follow_protocol.h"

#include <algorithm>
#include <climits>
#include <iterator>
#include <vector>

#include "daemon/packet.h"

namespace tuneshift {

namespace {

struct TaskPacket {
  uint32_t version = follow_version;
  int32_t pid = 0;
  uint64_t start_ns = 0;
  uint32_t device_major = 0;
  uint32_t device_minor = 0;
  uint64_t inode = 0;
  uint64_t file_size = 0;
};

struct ReportPacket {
  uint32_t version = follow_version;
  uint32_t unused = 0;
  uint64_t read_bytes = 0;
  uint64_t coverage[Coverage::most_parts / 64] = {};
};
static_assert(sizeof(ReportPacket) <= max_follow_packet_bytes);

}  // namespace

std::string format_follow_task(const FollowTask& task) {
  TaskPacket packet;
  packet.pid = task.reader.process.pid;
  packet.start_ns = task.reader.process.start_ns;
  packet.device_major = task.reader.file.device_major;
  packet.device_minor = task.reader.file.device_minor;
  packet.inode = task.reader.file.inode;
  packet.file_size = task.file_size;
  return to_bytes(packet);
}

Result<FollowTask> parse_follow_task(std::string_view bytes) {
  TaskPacket packet;
  if (!from_bytes(bytes, follow_version, packet) || packet.pid <= 0 || packet.file_size == 0 ||
      packet.file_size > INT64_MAX) {
    return Error{ErrorCode::invalid_argument, "the order to follow a reader is malformed", {}, 0};
  }
  FollowTask task;
  task.reader = {{packet.pid, packet.start_ns},
                 {packet.device_major, packet.device_minor, packet.inode}};
  task.file_size = packet.file_size;
  return task;
}

std::string format_follow_report(const FollowReport& report) {
  ReportPacket packet;
  packet.read_bytes = report.read_bytes;
  const std::vector<uint64_t> words = report.coverage.words();
  std::copy(words.begin(), words.end(), packet.coverage);
  return to_bytes(packet);
}

Result<FollowReport> parse_follow_report(std::string_view bytes) {
  ReportPacket packet;
  if (!from_bytes(bytes, follow_version, packet)) {
    return Error{ErrorCode::io, "the report on a reader is malformed", {}, 0};
  }
  FollowReport report;
  report.read_bytes = packet.read_bytes;
  report.coverage = Coverage::from_words({std::begin(packet.coverage), std::end(packet.coverage)});
  return report;
}

}  // namespace tuneshift
