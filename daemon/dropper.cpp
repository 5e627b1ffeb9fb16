// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/dropper.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace tuneshift {

Dropper::Dropper(sd_event* loop, std::string helper, Handler handler)
    : handler_(std::move(handler)),
      pool_(loop, std::move(helper), most, max_drop_report_bytes,
            {[this](HelperPool::Id id, std::string_view packet) { on_packet(id, packet); },
             [this](HelperPool::Id id, const std::string& how) {
               users_.erase(id);
               end(id, {0, "its helper ended early: " + how});
             },
             [this](HelperPool::Id id) { users_.erase(id); }}) {}

Status Dropper::start(uint32_t load, uint32_t uid, const DropTask& task) {
  const auto of_user = std::count_if(users_.begin(), users_.end(),
                                     [uid](const auto& one) { return one.second == uid; });
  if (of_user >= most_a_user) {
    return Error{ErrorCode::limit_exceeded, "too many loads of its user are to be dropped", {}, 0};
  }
  const auto packet = format_drop_task(task);
  if (!packet) return packet.error();
  auto started = pool_.start(packet.value());
  if (!started) return started.error();
  works_[started.value()] = {load, task};
  users_[started.value()] = uid;
  return {};
}

void Dropper::stop(const FileId& file, const char* why) {
  if (works_.empty()) return;
  stop_if(
      [&](const DropTask& task) {
        return std::any_of(task.files.begin(), task.files.end(),
                           [&](const DropFile& one) { return one.file == file; });
      },
      why);
}

void Dropper::stop_all(const char* why) {
  stop_if([](const DropTask&) { return true; }, why);
}

void Dropper::stop_if(const std::function<bool(const DropTask&)>& holds, const char* why) {
  std::vector<HelperPool::Id> stopped;
  for (const auto& [id, work] : works_) {
    if (holds(work.task)) stopped.push_back(id);
  }
  for (const HelperPool::Id id : stopped) end(id, {0, why});
}

void Dropper::on_packet(HelperPool::Id id, std::string_view packet) {
  const auto report = parse_drop_report(packet);
  end(id, report ? report.value() : DropReport{0, report.error().message});
}

void Dropper::end(HelperPool::Id id, const DropReport& report) {
  const auto found = works_.find(id);
  if (found == works_.end()) return;
  const Work work = std::move(found->second);
  works_.erase(found);
  pool_.stop(id);
  handler_(work.load, work.task, report);
}

}  // namespace tuneshift
