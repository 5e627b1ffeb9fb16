// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/drop_protocol.h"

#include <algorithm>
#include <climits>
#include <cstring>

#include "daemon/packet.h"

namespace tuneshift {

namespace {

struct TaskHead {
  uint32_t version = drop_version;
  int32_t pid = 0;
  uint64_t start_ns = 0;
  uint32_t files = 0;
  uint32_t padding = 0;
};

// Its path follows it.
struct FileHead {
  uint32_t device_major = 0;
  uint32_t device_minor = 0;
  uint64_t inode = 0;
  uint64_t size = 0;
  uint32_t path_bytes = 0;
  uint32_t padding = 0;
};

struct ReportPacket {
  uint32_t version = drop_version;
  uint32_t files = 0;
  char trouble[256] = {};
};
static_assert(sizeof(ReportPacket) <= max_drop_report_bytes);

Error malformed() {
  return {ErrorCode::invalid_argument, "the order to drop files is malformed", {}, 0};
}

template <typename Head>
bool take(std::string_view& packet, Head& head) {
  if (packet.size() < sizeof head) return false;
  std::memcpy(&head, packet.data(), sizeof head);
  packet.remove_prefix(sizeof head);
  return true;
}

}  // namespace

Result<std::string> format_drop_task(const DropTask& task) {
  TaskHead head;
  head.pid = task.process.pid;
  head.start_ns = task.process.start_ns;
  head.files = static_cast<uint32_t>(task.files.size());
  std::string packet = to_bytes(head);
  for (const DropFile& one : task.files) {
    FileHead file;
    file.device_major = one.file.device_major;
    file.device_minor = one.file.device_minor;
    file.inode = one.file.inode;
    file.size = one.size;
    file.path_bytes = static_cast<uint32_t>(one.path.size());
    packet += to_bytes(file) + one.path;
    if (packet.size() > max_drop_task_bytes) {
      return Error{ErrorCode::limit_exceeded, "too many files", {}, 0};
    }
  }
  return packet;
}

Result<DropTask> parse_drop_task(std::string_view packet) {
  TaskHead head;
  if (!take(packet, head) || head.version != drop_version || head.pid <= 0) return malformed();
  DropTask task;
  task.process = {head.pid, head.start_ns};
  for (uint32_t i = 0; i < head.files; ++i) {
    FileHead file;
    if (!take(packet, file) || file.path_bytes > packet.size() || file.path_bytes >= PATH_MAX) {
      return malformed();
    }
    task.files.push_back({{file.device_major, file.device_minor, file.inode},
                          file.size,
                          std::string(packet.substr(0, file.path_bytes))});
    packet.remove_prefix(file.path_bytes);
  }
  if (!packet.empty()) return malformed();
  return task;
}

std::string format_drop_report(const DropReport& report) {
  ReportPacket packet;
  packet.files = report.files;
  std::memcpy(packet.trouble, report.trouble.data(),
              std::min(report.trouble.size(), sizeof packet.trouble - 1));
  return to_bytes(packet);
}

Result<DropReport> parse_drop_report(std::string_view bytes) {
  ReportPacket packet;
  const Error bad{ErrorCode::io, "the report on dropped files is malformed", {}, 0};
  if (!from_bytes(bytes, drop_version, packet)) return bad;
  const char* const last = packet.trouble + sizeof packet.trouble;
  const char* const end = std::find(static_cast<const char*>(packet.trouble), last, '\0');
  DropReport report;
  report.files = packet.files;
  report.trouble.assign(static_cast<const char*>(packet.trouble), end);
  const bool is_text = std::all_of(report.trouble.begin(), report.trouble.end(),
                                   [](char c) { return c >= ' ' && c <= '~'; });
  if (end == last || !is_text) return bad;
  return report;
}

}  // namespace tuneshift
