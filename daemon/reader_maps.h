// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <linux/types.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "bpf/reader_event.h"
#include "daemon/bpf_object.h"
#include "libtune/event.h"
#include "libtune/neighbours.h"
#include "libtune/result.h"

namespace tuneshift {

/// User space's end of the maps that the reader probes share.
class ReaderMaps {
 public:
  static Result<ReaderMaps> create();

  /// All of them, for load_bpf_object().
  [[nodiscard]] const BpfMaps& all() const { return maps_; }
  [[nodiscard]] int events_fd() const { return fd("events"); }

  Status write(const tuneshift_settings& settings);
  /// Absent for a reader that missed nothing yet, or whose place went to another.
  [[nodiscard]] std::optional<tuneshift_reader_counts> counts(const Reader& reader) const;
  void forget(const Reader& reader);
  void silence(const Reader& reader);
  /// Does nothing to a silenced one.
  void let_wait(const Reader& reader, bool waits);
  /// The misses of each process in each store since the last call, in no order: at most
  /// TUNESHIFT_NEIGHBOURS, none unless the settings ask for them.
  std::vector<NeighbourReads> take_neighbour_reads();
  /// Events that found the ring buffer full.
  [[nodiscard]] uint64_t dropped() const;
  /// The last of these of each reader, once.
  std::vector<tuneshift_reader_event> take_dropped();

 private:
  explicit ReaderMaps(BpfMaps maps) : maps_(std::move(maps)) {}
  [[nodiscard]] int fd(std::string_view name) const;
  /// The one element of a per-CPU array (of whole 8 bytes), on each CPU.
  template <class Value>
  [[nodiscard]] std::vector<Value> on_each_cpu(std::string_view map) const;

  BpfMaps maps_;
};

/// The event in a ring-buffer record.
Event to_event(const tuneshift_reader_event& record);

}  // namespace tuneshift
