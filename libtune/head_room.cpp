// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/head_room.h"

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

#include "libtune/control_group.h"
#include "libtune/escape.h"
#include "libtune/meminfo.h"
#include "libtune/number.h"

namespace tuneshift {

namespace {

/// v1 shows "no limit" as the largest number of bytes in whole pages, of 64 KiB at most.
constexpr uint64_t no_limit_v1 = std::numeric_limits<int64_t>::max() - 65535;
/// The worker needs one, and the program is to keep some for its own threads.
constexpr uint64_t least_free_pids = 8;

using Limit = std::optional<uint64_t>;  ///< absent: none

std::optional<uint64_t> parse_count(std::string_view text) {
  const auto number = parse_integer(text);
  if (!number || *number < 0) return std::nullopt;
  return static_cast<uint64_t>(*number);
}

Result<Limit> read_limit(const KernelFs& kernel, const std::string& path) {
  const auto text = kernel.read(path);
  if (!text && text.error().code == ErrorCode::not_found) return Limit{};
  if (!text) return text.error();
  if (text.value() == "max") return Limit{};
  const auto limit = parse_count(text.value());
  if (!limit) return Error{ErrorCode::invalid_argument, path + " is no number", path, 0};
  return *limit >= no_limit_v1 ? Limit{} : limit;
}

uint64_t saturated_sum(uint64_t a, uint64_t b) {
  return a > std::numeric_limits<uint64_t>::max() - b ? std::numeric_limits<uint64_t>::max()
                                                      : a + b;
}

uint64_t less(uint64_t from, uint64_t what) {
  return from - std::min(from, what);
}

/// memory.stat: "NAME BYTES" on each line.
class MemoryStat {
 public:
  explicit MemoryStat(std::string_view text) : text_(text) {}

  [[nodiscard]] std::optional<uint64_t> find(std::string_view name) const {
    std::string_view rest = text_;
    while (!rest.empty()) {
      std::string_view line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(line.size() + 1, rest.size()));
      if (!line.starts_with(name) || line.substr(name.size(), 1) != " ") continue;
      return parse_count(line.substr(name.size() + 1));
    }
    return std::nullopt;
  }

  [[nodiscard]] uint64_t sum(std::initializer_list<std::string_view> names) const {
    uint64_t all = 0;
    for (const std::string_view name : names) all = saturated_sum(all, find(name).value_or(0));
    return all;
  }

 private:
  std::string_view text_;
};

/// What the kernel cannot drop at once to make room in this group, its children's included.
Result<uint64_t> read_kept(const KernelFs& kernel, const std::string& directory, bool v2) {
  const std::string path = directory + "/memory.stat";
  const auto text = kernel.read(path);
  if (!text) return text.error();
  const MemoryStat stat(text.value());
  if (!stat.find(v2 ? "anon" : "total_rss")) {
    return Error{ErrorCode::unsupported, path + " tells no anonymous memory", path, 0};
  }
  if (v2) {
    const uint64_t of_kernel = less(stat.sum({"kernel"}), stat.sum({"slab_reclaimable"}));
    return saturated_sum(of_kernel, stat.sum({"anon", "shmem", "unevictable", "file_dirty",
                                              "file_writeback", "sock"}));
  }
  // The slab's reclaimable part is in it, and not told apart.
  const auto of_kernel = read_limit(kernel, directory + "/memory.kmem.usage_in_bytes");
  if (!of_kernel) return of_kernel.error();
  return saturated_sum(of_kernel.value().value_or(0),
                       stat.sum({"total_rss", "total_shmem", "total_unevictable", "total_dirty",
                                 "total_writeback"}));
}

void lower(HeadRoom& room, uint64_t bytes, const std::string& by, bool of_own_group = false) {
  if (bytes >= room.bytes) return;
  room.bytes = bytes;
  room.limited_by = by;
  room.of_own_group = of_own_group;
}

void lower_by(HeadRoom& room, const KernelFs& kernel, const ControlGroups& groups) {
  const auto files = groups.v2 ? std::vector<std::string>{"memory.max", "memory.high"}
                               : std::vector<std::string>{"memory.limit_in_bytes"};
  for (const ControlGroup& group : groups.levels) {
    Limit lowest;
    std::string by;
    for (const std::string& file : files) {
      const auto limit = read_limit(kernel, group.directory + "/" + file);
      if (!limit) return lower(room, 0, limit.error().message);
      if (!limit.value() || (lowest && *lowest <= *limit.value())) continue;
      lowest = limit.value();
      by = file + " of " + group.name;
    }
    if (!lowest) continue;
    const auto kept = read_kept(kernel, group.directory, groups.v2);
    if (!kept) return lower(room, 0, kept.error().message);
    lower(room, less(*lowest, kept.value()), by, &group == &groups.levels.front());
  }
}

void lower_by_machine(HeadRoom& room, const KernelFs& kernel) {
  const auto available = read_meminfo(kernel, "MemAvailable");
  if (!available) return lower(room, 0, available.error().message);
  lower(room, static_cast<uint64_t>(available.value()) * 1024 / 2,
        "half of the machine's available memory");
}

/// Why the worker must stay out of these; empty when it need not.
std::string unit_of_kills(const KernelFs& kernel, const ControlGroups& groups) {
  for (const ControlGroup& group : groups.levels) {
    const auto whole = kernel.read(group.directory + "/memory.oom.group");
    if (whole && whole.value() != "0") return "memory.oom.group of " + group.name + " is set";
  }
  return {};
}

std::string short_of_pids(const KernelFs& kernel, const ControlGroups& groups) {
  for (const ControlGroup& group : groups.levels) {
    const auto most = read_limit(kernel, group.directory + "/pids.max");
    if (!most) return most.error().message;
    if (!most.value()) continue;
    const auto text = kernel.read(group.directory + "/pids.current");
    const auto now = text ? parse_count(text.value()) : std::nullopt;
    if (!now) return group.directory + "/pids.current can't be read";
    const uint64_t free = less(*most.value(), *now);
    if (free < least_free_pids) {
      return group.name + " has room for " + std::to_string(free) + " more processes";
    }
  }
  return {};
}

}  // namespace

HeadRoom read_head_room(const KernelFs& kernel, pid_t pid, bool account_to_daemon) {
  HeadRoom room;
  room.bytes = std::numeric_limits<uint64_t>::max();
  const std::string process = std::to_string(pid);
  const auto memory = find_control_groups(kernel, process, "memory");
  if (memory) {
    lower_by(room, kernel, memory.value());
    room.account_reason = unit_of_kills(kernel, memory.value());
  } else {
    lower(room, 0, memory.error().message);
    room.account_reason = memory.error().message;
  }
  const auto pids = find_control_groups(kernel, process, "pids");
  if (room.account_reason.empty()) {
    room.account_reason = pids ? short_of_pids(kernel, pids.value()) : pids.error().message;
  }
  room.account_to_reader = room.account_reason.empty();
  if (!room.account_to_reader || account_to_daemon) {
    room.of_own_group = false;
    const auto own = find_control_groups(kernel, "self", "memory");
    if (own) lower_by(room, kernel, own.value());
    if (!own) lower(room, 0, own.error().message);
  }
  lower_by_machine(room, kernel);
  room.limited_by = escape(room.limited_by);
  room.account_reason = escape(room.account_reason);
  return room;
}

}  // namespace tuneshift
