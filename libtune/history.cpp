// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/history.h"

#include <algorithm>
#include <iterator>

namespace tuneshift {

const Record::Value* Record::field(const std::string& name) const {
  for (const auto& [key, value] : fields) {
    if (key == name) return &value;
  }
  return nullptr;
}

void History::add(Record record) {
  if (records_.size() >= capacity_) records_.pop_front();
  records_.push_back(std::move(record));
}

std::vector<Record> History::since(uint64_t since_us) const {
  std::vector<Record> found;
  std::copy_if(records_.begin(), records_.end(), std::back_inserter(found),
               [&](const Record& record) { return record.time_us >= since_us; });
  return found;
}

std::vector<Record> History::about(const std::string& name, const Record::Value& value) const {
  std::vector<Record> found;
  std::copy_if(records_.begin(), records_.end(), std::back_inserter(found),
               [&](const Record& record) {
                 const Record::Value* own = record.field(name);
                 return own != nullptr && *own == value;
               });
  return found;
}

}  // namespace tuneshift
