// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/followers.h"

#include <algorithm>
#include <utility>

namespace tuneshift {

Followers::Followers(sd_event* loop, std::string helper, Handler handler,
                     std::function<void()> on_lost)
    : handler_(std::move(handler)),
      on_lost_(std::move(on_lost)),
      pool_(
          loop, std::move(helper), most, max_follow_packet_bytes,
          {[this](HelperPool::Id id, std::string_view packet) { on_packet(id, packet); },
           [this](HelperPool::Id id, const std::string&) { forget(id); }, [](HelperPool::Id) {}}) {}

Status Followers::start(const Reader& reader, uint64_t file_size) {
  if (readers_.contains(reader)) return {};
  auto started = pool_.start(format_follow_task({reader, file_size}));
  if (!started) return started.error();
  readers_[reader] = started.value();
  return {};
}

void Followers::stop(const Reader& reader) {
  const auto found = readers_.find(reader);
  if (found == readers_.end()) return;
  pool_.stop(found->second);
  readers_.erase(found);
}

void Followers::on_packet(HelperPool::Id id, std::string_view packet) {
  const auto found = std::find_if(readers_.begin(), readers_.end(),
                                  [id](const auto& entry) { return entry.second == id; });
  if (found == readers_.end()) return;
  const Reader reader = found->first;
  const auto report = parse_follow_report(packet);
  if (!report.ok()) return stop(reader);
  handler_(reader, report.value());
}

void Followers::forget(HelperPool::Id id) {
  std::erase_if(readers_, [id](const auto& entry) { return entry.second == id; });
  on_lost_();
}

}  // namespace tuneshift
