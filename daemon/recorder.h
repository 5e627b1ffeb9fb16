// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "libtune/applier.h"
#include "libtune/event.h"
#include "libtune/history.h"

namespace tuneshift {

/// Writes what happened to the history and, once, to the log.
class Recorder {
 public:
  using Fields = std::vector<std::pair<std::string, Record::Value>>;

  [[nodiscard]] const History& history() const { return history_; }
  /// How often each kind was recorded since the start.
  [[nodiscard]] const std::map<std::string, uint64_t>& counts() const { return counts_; }

  /// `text` and the strings in `fields` must be escaped. Stamped with the present time.
  void add(const std::string& kind, const std::string& text, Fields fields = {});
  /// Something that an administrator should look at.
  void warn(const std::string& text);

  /// One change of a knob; `since_ns` is when its cause was noticed (CLOCK_MONOTONIC, 0: unknown).
  void add_change(const Change& change, uint64_t since_ns);
  /// One write that only observing kept from happening.
  void add_would_write(const PlanRow& row, const std::string& profile);

 private:
  History history_;
  std::map<std::string, uint64_t> counts_;
};

/// "254:0:5308417": how a file is named before its path is known.
std::string name_of(const FileId& file);

}  // namespace tuneshift
