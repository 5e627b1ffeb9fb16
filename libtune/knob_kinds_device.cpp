// SPDX-License-Identifier: LGPL-2.1-or-later
#include <limits>

#include "libtune/knob_kinds.h"

namespace tuneshift {

namespace {

constexpr int64_t kLargestInt = std::numeric_limits<int32_t>::max();
constexpr int64_t kLargestReadAheadKib = 1 << 20;
constexpr std::string_view kBlock = "Documentation/ABI/stable/sysfs-block";
constexpr std::string_view kBcache = "Documentation/admin-guide/bcache.rst";

KnobInfo number(Family family, Target target, std::string_view name, std::string_view unit,
                int64_t minimum, int64_t maximum, std::string_view source) {
  KnobInfo info = number_kind(family, name, unit, minimum, maximum, source);
  info.target = target;
  return info;
}

KnobInfo queue(std::string_view name, std::string_view unit, int64_t minimum, int64_t maximum) {
  return number(Family::block, Target::disk, name, unit, minimum, maximum, kBlock);
}

KnobInfo freezing(KnobInfo info, std::vector<std::string_view> moves) {
  info.freezes_queue = true;
  info.moves = std::move(moves);
  return on_request(std::move(info));
}

KnobInfo scheduler() {
  std::vector<std::string_view> moves = {"queue/nr_requests", "queue/wbt_lat_usec"};
  for (const KnobInfo& kind : scheduler_kinds()) moves.push_back(kind.name);
  KnobInfo info = choice_kind(Family::block, "queue/scheduler", kBlock);
  info.target = Target::disk;
  return freezing(std::move(info), std::move(moves));
}

std::vector<KnobInfo> queue_kinds() {
  KnobInfo read_ahead = queue("queue/read_ahead_kb", "KiB", 0, kLargestReadAheadKib);
  read_ahead.target = Target::read_ahead;
  KnobInfo max_sectors =
      freezing(queue("queue/max_sectors_kb", "KiB", 4, kLargestInt), {"queue/read_ahead_kb"});
  max_sectors.ceiling = "queue/max_hw_sectors_kb";
  // A number puts wbt into its manual state: only -1 leads back to the kernel's default.
  KnobInfo wbt = freezing(queue("queue/wbt_lat_usec", "µs", 0, kLargestInt), {});
  wbt.restore = Restore::wbt_default;
  return {
      read_ahead,
      scheduler(),
      // mq-deadline makes its depth three quarters of it.
      freezing(queue("queue/nr_requests", "", 4, 65535), {"queue/iosched/async_depth"}),
      max_sectors,
      queue("queue/rq_affinity", "", 0, 2),
      queue("queue/nomerges", "", 0, 2),
      wbt,
      freezing(queue("queue/iostats", "", 0, 1), {"queue/read_ahead_kb"}),
      freezing(queue("queue/add_random", "", 0, 1), {"queue/read_ahead_kb"}),
  };
}

}  // namespace

std::vector<KnobInfo> device_kinds() {
  std::vector<KnobInfo> kinds = queue_kinds();
  // Reads and writes above it go around the cache; shown as "4.0M".
  KnobInfo cutoff = number(Family::block, Target::bcache, "bcache/sequential_cutoff", "bytes", 0,
                           kLargestInt, kBcache);
  cutoff.rounding = Rounding::human_size;
  kinds.push_back(cutoff);
  kinds.push_back(number(Family::block, Target::device_mapper, "dm/migration_threshold", "sectors",
                         0, kLargestInt, "Documentation/admin-guide/device-mapper/cache.rst"));
  kinds.push_back(number(Family::bdi, Target::bdi, "read_ahead_kb", "KiB", 0, kLargestReadAheadKib,
                         "Documentation/ABI/testing/sysfs-class-bdi"));
  for (const char* name : {"max_background", "congestion_threshold"}) {
    kinds.push_back(number(Family::fuse, Target::fuse_connection, name, "requests", 1, 65535,
                           "Documentation/filesystems/fuse.rst"));
  }
  return kinds;
}

}  // namespace tuneshift
