// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/foreign_writes.h"

#include <algorithm>
#include <utility>

namespace tuneshift {

namespace {

constexpr uint64_t ms = 1'000'000;
constexpr uint64_t kFirstLook = 20 * ms;
constexpr uint64_t kLatestFirstLook = 200 * ms;
constexpr uint64_t kSecondLook = 500 * ms;

}  // namespace

uint64_t ForeignWrites::Waiting::due_ns() const {
  if (looked) return last_ns + kSecondLook;
  return std::min(last_ns + kFirstLook, first_ns + kLatestFirstLook);
}

void ForeignWrites::on_write(const std::string& knob, const std::string& writer, uint64_t now_ns) {
  const auto [found, fresh] = waiting_.try_emplace(knob);
  Waiting& waiting = found->second;
  if (fresh || waiting.looked) waiting.first_ns = now_ns;
  waiting.writer = writer;
  waiting.last_ns = now_ns;
  waiting.looked = false;
}

Writers ForeignWrites::take_due(uint64_t now_ns) {
  Writers due;
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    auto& [knob, waiting] = *it;
    if (waiting.due_ns() > now_ns) {
      ++it;
      continue;
    }
    due.emplace(knob, waiting.writer);
    const bool over = std::exchange(waiting.looked, true);
    it = over ? waiting_.erase(it) : std::next(it);
  }
  return due;
}

Writers ForeignWrites::writers() const {
  Writers writers;
  for (const auto& [knob, waiting] : waiting_) writers.emplace(knob, waiting.writer);
  return writers;
}

std::optional<uint64_t> ForeignWrites::next_ns() const {
  std::optional<uint64_t> next;
  for (const auto& [knob, waiting] : waiting_) {
    next = std::min(next.value_or(waiting.due_ns()), waiting.due_ns());
  }
  return next;
}

}  // namespace tuneshift
