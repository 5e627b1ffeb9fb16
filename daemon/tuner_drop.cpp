// SPDX-License-Identifier: LGPL-2.1-or-later
// The tuner's part after a load whose rule says that what was loaded is used elsewhere.
#include <algorithm>

#include "daemon/tuner.h"
#include "libtune/escape.h"

namespace tuneshift {

void Tuner::drop_pages_of(const Load& load) {
  if (policy_.mode() != Mode::automatic || load.readers.empty()) return;
  // By the rules of now.
  const bool by_rule = std::all_of(load.readers.begin(), load.readers.end(), [&](const auto& one) {
    return std::any_of(rules_.begin(), rules_.end(), [&](const ProcessRule& rule) {
      return rule.drop_after_load && rule.name == one.facts.rule;
    });
  });
  if (!by_rule) return;
  DropTask task;
  task.process = load.readers.front().reader.process;
  DropReport stays;
  for (const LoadReader& one : load.readers) {
    const FileId& file = one.reader.file;
    task.files.push_back({file, one.facts.file_size, one.facts.path});
    if (one.reader.process != task.process) stays.trouble = "several processes loaded it";
    const bool is_loaded = std::any_of(helped_.begin(), helped_.end(), [&](const auto& entry) {
      return entry.first.file == file && entry.first.process != task.process &&
             detector_.is_undecided_or_loading(entry.first);
    });
    if (is_loaded) stays.trouble = "another process reads it now";
    const std::string& file_system = store_of(one.reader).file_system;
    if (file_system.empty()) {
      stays.trouble = "it is not known what its file system is";
    } else if (is_fuse(file_system, true)) {
      stays.trouble = "on FUSE one more open may throw out what others have mapped";
    }
  }
  // Of a header that was read meanwhile, or a tail, no probe tells.
  if (load.loaded_bytes < load.total_bytes - load.total_bytes / 20) {
    stays.trouble = "not all of it was loaded";
  }
  if (stays.trouble.empty()) {
    const Status started = dropper_.start(load.id, load.readers.front().facts.uid, task);
    if (started.ok()) return;
    stays.trouble = started.error().message;
  }
  on_dropped(load.id, task, stays);
}

void Tuner::on_dropped(uint32_t load, const DropTask& task, const DropReport& report) {
  const std::string path = escape(task.files.front().path);
  const std::string trouble = escape(report.trouble);
  const std::string all = std::to_string(task.files.size());
  recorder_.add("evicted",
                path + ": pages of " + std::to_string(report.files) + " of " + all +
                    " files were let go, but for mapped ones" +
                    (trouble.empty() ? "" : ": " + trouble),
                {{"pid", static_cast<uint32_t>(task.process.pid)},
                 {"path", path},
                 {"load", load},
                 {"files", report.files},
                 {"reason", trouble}});
}

}  // namespace tuneshift
