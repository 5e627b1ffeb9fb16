// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/knob_kinds.h"

namespace tuneshift {

namespace {

constexpr std::string_view kMqDeadline = "block/mq-deadline.c";
constexpr std::string_view kKyber = "block/kyber-iosched.c";
constexpr std::string_view kBfq = "block/bfq-iosched.c";

struct SchedulerNumber {
  std::string_view name;
  std::string_view unit;
  std::string_view fresh;
  std::string_view source;
};

constexpr SchedulerNumber kNumbers[] = {
    {"queue/iosched/async_depth", "requests", "", kMqDeadline},
    {"queue/iosched/fifo_batch", "requests", "16", kMqDeadline},
    {"queue/iosched/front_merges", "", "1", kMqDeadline},
    {"queue/iosched/prio_aging_expire", "ms", "10000", kMqDeadline},
    {"queue/iosched/read_expire", "ms", "500", kMqDeadline},
    {"queue/iosched/write_expire", "ms", "5000", kMqDeadline},
    {"queue/iosched/writes_starved", "", "2", kMqDeadline},
    {"queue/iosched/read_lat_nsec", "ns", "2000000", kKyber},
    {"queue/iosched/write_lat_nsec", "ns", "10000000", kKyber},
    {"queue/iosched/back_seek_max", "KiB", "16384", kBfq},
    {"queue/iosched/back_seek_penalty", "", "2", kBfq},
    {"queue/iosched/fifo_expire_async", "ms", "250", kBfq},
    {"queue/iosched/fifo_expire_sync", "ms", "125", kBfq},
    {"queue/iosched/low_latency", "", "1", kBfq},
    {"queue/iosched/max_budget", "sectors", "0", kBfq},
    {"queue/iosched/slice_idle", "ms", "8", kBfq},
    // The same variable in µs: behind the other one, which rounds it.
    {"queue/iosched/slice_idle_us", "µs", "8000", kBfq},
    {"queue/iosched/strict_guarantees", "", "0", kBfq},
    {"queue/iosched/timeout_sync", "ms", "125", kBfq},
};

}  // namespace

std::vector<KnobInfo> scheduler_kinds() {
  std::vector<KnobInfo> kinds;
  for (const SchedulerNumber& number : kNumbers) {
    KnobInfo info =
        number_kind(Family::block, number.name, number.unit, 0, std::nullopt, number.source);
    info.target = Target::disk;
    info.use = Use::kept;
    info.lives_with = "queue/scheduler";
    info.fresh = number.fresh;
    kinds.push_back(info);
  }
  return kinds;
}

}  // namespace tuneshift
