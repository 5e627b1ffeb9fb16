// SPDX-License-Identifier: LGPL-2.1-or-later
// The tuner's part for processes that read from the store of a reader that is helped: while they
// do, its help is small.
#include <algorithm>
#include <utility>

#include "daemon/tuner.h"

namespace tuneshift {

namespace {

DeviceNumber store_of_file(const FileId& file) {
  return {file.device_major, file.device_minor};
}

}  // namespace

bool Tuner::may_load(const Reader& reader, const Helped& helped) const {
  if (helped.load != 0 || accelerator_.follows(reader)) return true;
  const Event* const event = detector_.latest(reader);
  // One that reads here and there has no need of a window, and waits for each request.
  return event != nullptr && detector_.is_undecided_or_loading(reader) &&
         (event->jumps < least_order_jumps || event->sequential >= event->bytes / 2);
}

void Tuner::set_neighbour_timer() {
  const bool helps = policy_.mode() == Mode::automatic &&
                     policy_.count(LeaseKind::suspect) + policy_.count(LeaseKind::load) > 0;
  if (helps == watches_neighbours_ || !senses_.watch_neighbours) return;
  watches_neighbours_ = helps;
  senses_.watch_neighbours(helps);
  if (helps) {
    neighbour_timer_.set(monotonic_ns() + Neighbours::period_ns);
    return;
  }
  neighbour_timer_.off();
  neighbours_.forget();
  share_stores();
}

void Tuner::look_at_neighbours() {
  std::set<pid_t> helped;
  for (const auto& [reader, one] : helped_) {
    if (may_load(reader, one)) helped.insert(reader.process.pid);
  }
  const uint64_t now_ns = monotonic_ns();
  neighbour_timer_.set(now_ns + Neighbours::period_ns);
  neighbours_.look(senses_.neighbour_reads(), helped, now_ns);
  share_stores();
}

void Tuner::share_stores() {
  std::set<std::string> bdis;
  bool changed = false;
  for (auto& [reader, helped] : helped_) {
    const bool shared = neighbours_.share(store_of_file(reader.file));
    if (shared) bdis.insert(store_of(reader).bdi);
    if (std::exchange(helped.shared, shared) == shared) continue;
    changed = true;
    accelerator_.share(reader, shared);
    if (!detector_.is_undecided_or_loading(reader)) continue;
    // Its window follows the store's; one that has a worker has no need of a large one any more.
    helped.rewindow_due = helped.rewindowed && (shared || !accelerator_.follows(reader));
    helped.turn.reset();
    recorder_.add(shared ? "shared" : "alone",
                  helped.path + (shared ? ": others read from its store: help in small steps"
                                        : ": nobody else reads from its store"),
                  {{"pid", static_cast<uint32_t>(reader.process.pid)},
                   {"path", helped.path},
                   {"load", helped.load}});
  }
  if (!changed) return;
  policy_.share(std::move(bdis));
  reconcile_soon();
}

}  // namespace tuneshift
