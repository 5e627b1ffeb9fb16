// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/waiting_events.h"

#include <algorithm>
#include <utility>

#include "daemon/reader_maps.h"

namespace tuneshift {

namespace {

// A program may be held up between the look at the clock and its event.
constexpr uint64_t look_again_ns = TUNESHIFT_WAIT_NS + 10'000'000;
// More than the ring buffer has room for.
constexpr unsigned most_turns = 64;

}  // namespace

WaitingEvents::WaitingEvents(Loop& loop, Probes& probes, std::function<bool()> dispatch)
    : probes_(probes), dispatch_(std::move(dispatch)), timer_(loop.timer([this] { take(); })) {}

void WaitingEvents::set_readers(const std::vector<Reader>& readers) {
  std::set<Reader> now(readers.begin(), readers.end());
  if (now == readers_) return;
  for (const Reader& reader : readers_) {
    if (!now.contains(reader)) probes_.let_wait(reader, false);
  }
  for (const Reader& reader : now) {
    if (!readers_.contains(reader)) probes_.let_wait(reader, true);
  }
  readers_ = std::move(now);
  // Also for what the last of one that left has not woken for.
  may_follow_ = true;
  come_back(look_again_ns);
}

void WaitingEvents::on_event(const Reader& reader) {
  may_follow_ = may_follow_ || readers_.contains(reader);
}

void WaitingEvents::take() {
  due_ns_ = UINT64_MAX;
  if (dispatch_()) {
    come_back(0);
  } else if (std::exchange(may_follow_, false)) {
    come_back(look_again_ns);
  }
}

void WaitingEvents::take_all() {
  for (unsigned turn = 0; turn < most_turns && dispatch_(); ++turn) {
  }
  take();
}

void WaitingEvents::come_back(uint64_t in_ns) {
  due_ns_ = std::min(due_ns_, monotonic_ns() + in_ns);
  timer_.set(due_ns_);
}

}  // namespace tuneshift
