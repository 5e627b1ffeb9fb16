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
               end(id, {0, "its helper ended early: " + how});
             },
             [](HelperPool::Id) {}}) {}

Status Dropper::start(uint32_t load, const DropTask& task) {
  const auto packet = format_drop_task(task);
  if (!packet) return packet.error();
  auto started = pool_.start(packet.value());
  if (!started) return started.error();
  works_[started.value()] = {load, task};
  return {};
}

void Dropper::stop(const FileId& file) {
  std::erase_if(works_, [&](const auto& entry) {
    const std::vector<DropFile>& files = entry.second.task.files;
    const bool has_it = std::any_of(files.begin(), files.end(),
                                    [&](const DropFile& one) { return one.file == file; });
    if (!has_it) return false;
    pool_.stop(entry.first);
    return true;
  });
}

void Dropper::stop_all() {
  for (const auto& [id, work] : works_) pool_.stop(id);
  works_.clear();
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
