// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/prefetch_protocol.h"

#include <algorithm>
#include <climits>
#include <cstring>

#include "daemon/packet.h"

namespace tuneshift {

namespace {

constexpr uint64_t least_step_bytes = 4096;
constexpr uint64_t most_step_bytes = uint64_t{1} << 30;
constexpr uint64_t start_unit_bytes = uint64_t{4} << 20;
constexpr uint64_t most_cpu_us = uint64_t{1} << 40;  // 12 days

struct TaskPacket {
  uint32_t version = prefetch_version;
  int32_t pid = 0;
  uint64_t start_ns = 0;
  uint32_t device_major = 0;
  uint32_t device_minor = 0;
  uint64_t inode = 0;
  uint64_t file_size = 0;
  uint64_t start_bytes = 0;
  uint64_t step_bytes = 0;
  uint64_t unit_bytes = 0;
  uint64_t budget_bytes = 0;
  uint32_t way = 0;
  uint32_t account = 0;
  uint32_t paced = 0;
  uint32_t padding = 0;
};

struct PermitPacket {
  uint32_t version = prefetch_version;
  uint32_t paced = 0;
  uint64_t budget_bytes = 0;
};

struct ProgressPacket {
  uint32_t version = prefetch_version;
  uint32_t ended = 0;
  uint64_t fetched_bytes = 0;
  uint64_t cpu_us = 0;
  char engine[32] = {};
  char trouble[256] = {};
};

template <size_t size>
void put(char (&field)[size], const std::string& text) {
  std::memcpy(field, text.data(), std::min(text.size(), size - 1));
}

// Ends within its field, and is fit for a log.
template <size_t size>
bool take(const char (&field)[size], std::string& text) {
  const char* const end = std::find(field, field + size, '\0');
  text.assign(static_cast<const char*>(field), end);
  return end != field + size &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

}  // namespace

std::string format_prefetch_task(const PrefetchTask& task) {
  const PrefetchOrder& order = task.order;
  TaskPacket packet;
  packet.pid = order.reader.process.pid;
  packet.start_ns = order.reader.process.start_ns;
  packet.device_major = order.reader.file.device_major;
  packet.device_minor = order.reader.file.device_minor;
  packet.inode = order.reader.file.inode;
  packet.file_size = order.file_size;
  packet.start_bytes = order.start_bytes;
  packet.step_bytes = order.step_bytes;
  packet.unit_bytes = order.unit_bytes;
  packet.budget_bytes = task.permit.budget_bytes;
  packet.paced = task.permit.paced ? 1 : 0;
  packet.way = static_cast<uint32_t>(order.way);
  packet.account = static_cast<uint32_t>(order.account);
  return to_bytes(packet);
}

Result<PrefetchTask> parse_prefetch_task(std::string_view bytes) {
  TaskPacket packet;
  if (!from_bytes(bytes, prefetch_version, packet) || packet.pid <= 0 || packet.file_size == 0 ||
      packet.file_size > INT64_MAX || packet.start_bytes >= packet.file_size ||
      packet.start_bytes % start_unit_bytes != 0 || packet.step_bytes < least_step_bytes ||
      packet.step_bytes > most_step_bytes || packet.unit_bytes > most_step_bytes ||
      packet.way > 1 || packet.account > 1 || packet.paced > 1) {
    return Error{ErrorCode::invalid_argument, "the order to read ahead is malformed", {}, 0};
  }
  PrefetchTask task;
  task.order.reader = {{packet.pid, packet.start_ns},
                       {packet.device_major, packet.device_minor, packet.inode}};
  task.order.file_size = packet.file_size;
  task.order.start_bytes = packet.start_bytes;
  task.order.step_bytes = packet.step_bytes;
  task.order.unit_bytes = packet.unit_bytes;
  task.order.way = static_cast<PrefetchOrder::Way>(packet.way);
  task.order.account = static_cast<PrefetchOrder::Account>(packet.account);
  task.permit = {packet.budget_bytes, packet.paced == 1};
  return task;
}

std::string format_prefetch_permit(const PrefetchPermit& permit) {
  PermitPacket packet;
  packet.budget_bytes = permit.budget_bytes;
  packet.paced = permit.paced ? 1 : 0;
  return to_bytes(packet);
}

Result<PrefetchPermit> parse_prefetch_permit(std::string_view bytes) {
  PermitPacket packet;
  if (!from_bytes(bytes, prefetch_version, packet) || packet.paced > 1) {
    return Error{ErrorCode::invalid_argument, "the permit to read ahead is malformed", {}, 0};
  }
  return PrefetchPermit{packet.budget_bytes, packet.paced == 1};
}

std::string format_prefetch_progress(const PrefetchProgress& progress) {
  ProgressPacket packet;
  packet.ended = progress.ended ? 1 : 0;
  packet.fetched_bytes = progress.fetched_bytes;
  packet.cpu_us = progress.cpu_us;
  put(packet.engine, progress.engine);
  put(packet.trouble, progress.trouble);
  return to_bytes(packet);
}

Result<PrefetchProgress> parse_prefetch_progress(std::string_view bytes, uint64_t file_size) {
  ProgressPacket packet;
  PrefetchProgress progress;
  if (!from_bytes(bytes, prefetch_version, packet) || packet.ended > 1 ||
      packet.fetched_bytes > file_size || packet.cpu_us > most_cpu_us ||
      !take(packet.engine, progress.engine) || !take(packet.trouble, progress.trouble)) {
    return Error{ErrorCode::io, "the worker's report is malformed", {}, 0};
  }
  progress.ended = packet.ended == 1;
  progress.fetched_bytes = packet.fetched_bytes;
  progress.cpu_us = packet.cpu_us;
  return progress;
}

}  // namespace tuneshift
