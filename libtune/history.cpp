// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/history.h"

#include <algorithm>

namespace tuneshift {

const Record::Value* Record::field(const std::string& name) const {
  for (const auto& [key, value] : fields) {
    if (key == name) return &value;
  }
  return nullptr;
}

void History::add(Record record) {
  const bool is_noticed =
      record.kind == "suspected" || record.kind == "inspected" || record.kind == "rejected";
  std::deque<Numbered>& records = is_noticed ? noticed_ : decided_;
  if (records.size() >= capacity_) records.pop_front();
  records.emplace_back(next_++, std::move(record));
}

template <typename Predicate>
std::vector<Record> History::where(Predicate predicate) const {
  std::vector<const Numbered*> found;
  for (const std::deque<Numbered>* records : {&decided_, &noticed_}) {
    for (const Numbered& one : *records) {
      if (predicate(one.second)) found.push_back(&one);
    }
  }
  std::sort(found.begin(), found.end(),
            [](const Numbered* a, const Numbered* b) { return a->first < b->first; });
  std::vector<Record> rows;
  rows.reserve(found.size());
  for (const Numbered* one : found) rows.push_back(one->second);
  return rows;
}

std::vector<Record> History::since(uint64_t since_us) const {
  return where([&](const Record& record) { return record.time_us >= since_us; });
}

std::vector<Record> History::about(const std::string& name, const Record::Value& value) const {
  return where([&](const Record& record) {
    const Record::Value* own = record.field(name);
    return own != nullptr && *own == value;
  });
}

}  // namespace tuneshift
