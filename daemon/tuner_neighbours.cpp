// SPDX-License-Identifier: LGPL-2.1-or-later
// The tuner's part for processes that read from the store of a reader that is helped: while they
// do, its help is small.
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
  if (event == nullptr) return false;
  const bool is_asked = detector_.facts(reader) == nullptr;
  // One that reads here and there has no need of a window, and waits for each request.
  return (is_asked || detector_.is_undecided_or_loading(reader)) &&
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
  // Nobody is helped, and nothing is known of the others.
  for (auto& [reader, one] : helped_) one.shared = false;
  shared_bdis_.clear();
  policy_.share({});
}

void Tuner::look_at_neighbours() {
  std::set<pid_t> helped;
  for (const auto& [reader, one] : helped_) {
    if (may_load(reader, one)) helped.insert(reader.process.pid);
  }
  const uint64_t now_ns = monotonic_ns();
  neighbour_timer_.set(now_ns + Neighbours::period_ns);
  neighbours_.look(senses_.neighbour_reads(), helped, now_ns);
  if (share_stores()) reconcile_soon();
}

bool Tuner::share_stores() {
  // By its queue: a disk's partitions have one.
  std::set<std::string> bdis;
  std::vector<Reader> readers;
  for (const auto& [reader, helped] : helped_) {
    if (!detector_.is_undecided_or_loading(reader)) continue;
    readers.push_back(reader);
    const std::string& bdi = store_of(reader).bdi;
    if (!bdi.empty() && neighbours_.share(store_of_file(reader.file))) bdis.insert(bdi);
  }
  bool changed = false;
  for (const Reader& reader : readers) {
    Helped& helped = helped_.at(reader);
    const bool shared = bdis.contains(store_of(reader).bdi);
    if (std::exchange(helped.shared, shared) == shared) continue;
    share_store(reader, helped);
    changed = true;
  }
  if (bdis != shared_bdis_) {
    shared_bdis_ = std::move(bdis);
    policy_.share(shared_bdis_);
    changed = true;
  }
  return changed;
}

void Tuner::share_store(const Reader& reader, Helped& helped) {
  accelerator_.share(reader, helped.shared);
  // Its window follows the store's; one that has a worker has no need of a large one any more.
  if (helped.rewindowed && (helped.shared || accelerator_.progress(reader) == nullptr)) {
    helped.rewindow_due = true;
    helped.turn.reset();
  }
  recorder_.add(helped.shared ? "shared" : "alone",
                helped.path + (helped.shared ? ": others read from its store: help in small steps"
                                             : ": nobody else reads from its store"),
                {{"pid", static_cast<uint32_t>(reader.process.pid)},
                 {"path", helped.path},
                 {"load", helped.load}});
}

}  // namespace tuneshift
