// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace tuneshift {

/// One thing that was seen, decided or done. `text` says it to a person in one line; `fields` hold
/// the same for programs (docs/dbus.md lists them). All strings are already escaped.
struct Record {
  using Value = std::variant<std::string, uint32_t, uint64_t>;

  uint64_t time_us = 0;  ///< CLOCK_REALTIME
  uint64_t mono_us = 0;  ///< CLOCK_MONOTONIC
  std::string kind;
  std::string text;
  std::vector<std::pair<std::string, Value>> fields;

  /// The field's value, or nullptr.
  [[nodiscard]] const Value* field(const std::string& name) const;
};

/// The flight recorder: the last `capacity` records of what was done or decided, and as many of
/// what anybody causes by the reading of files (suspected, inspected, rejected): a flood of those
/// pushes out no decision.
class History {
 public:
  explicit History(size_t capacity = 2048) : capacity_(capacity) {}

  void add(Record record);
  /// Those not older than `since_us`, oldest first.
  [[nodiscard]] std::vector<Record> since(uint64_t since_us) const;
  /// Those with a field `name` of this value, oldest first.
  [[nodiscard]] std::vector<Record> about(const std::string& name,
                                          const Record::Value& value) const;

 private:
  using Numbered = std::pair<uint64_t, Record>;
  template <typename Predicate>
  [[nodiscard]] std::vector<Record> where(Predicate predicate) const;

  size_t capacity_;
  uint64_t next_ = 0;
  std::deque<Numbered> decided_;
  std::deque<Numbered> noticed_;
};

}  // namespace tuneshift
