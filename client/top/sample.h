// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "client/connection.h"
#include "client/json.h"
#include "libtune/kernel_fs.h"
#include "libtune/vmstat.h"

namespace tuneshift::top {

/// A disk's counters since it appeared (Documentation/block/stat.rst of the kernel).
struct DiskStat {
  uint64_t reads = 0;
  uint64_t read_bytes = 0;
  uint64_t writes = 0;
  uint64_t written_bytes = 0;
  uint64_t busy_ms = 0;  ///< at least one request was on its way
};

/// Empty when it is no such line.
std::optional<DiskStat> parse_disk_stat(std::string_view text);

/// Of proc_pid_stat(5).
struct ProcessStat {
  uint64_t major_faults = 0;
  uint64_t start_ticks = 0;  ///< tells apart two processes of one number
  uint64_t resident_pages = 0;
};

std::optional<ProcessStat> parse_process_stat(std::string_view text);

/// Everything that `top` shows, at one moment. Counters; rates come from two of these.
struct Sample {
  uint64_t time_us = 0;  ///< CLOCK_MONOTONIC
  std::string trouble;   ///< why the daemon told nothing; empty when it did
  std::string hidden;    ///< why no readers are shown; empty when they are
  Json manager;
  Json loads = Json::array();    ///< those that run or ended lately, with Describe's details
  Json devices = Json::array();  ///< the Device objects' properties
  std::map<std::string, DiskStat> disks;
  std::map<uint64_t, ProcessStat> processes;  ///< of the loads' readers
  std::optional<VmStat> memory;
  uint64_t cached_kib = 0;
  uint64_t dirty_kib = 0;
  uint64_t page_bytes = 4096;
};

/// Asks the daemon and reads the kernel's files. What cannot be seen stays empty.
Sample take_sample(Daemon& daemon, const KernelFs& kernel);

}  // namespace tuneshift::top
