// SPDX-License-Identifier: LGPL-2.1-or-later
// The tuner's part after a load whose rule says that what was loaded is used elsewhere.
#include <algorithm>

#include "daemon/tuner.h"
#include "libtune/escape.h"

namespace tuneshift {

namespace {

std::string files(size_t count) {
  return count == 1 ? "its file" : "its " + std::to_string(count) + " files";
}

}  // namespace

void Tuner::drop_pages_of(const Load& load) {
  if (policy_.mode() != Mode::automatic || load.readers.empty()) return;
  const bool by_rule = std::all_of(load.readers.begin(), load.readers.end(),
                                   [](const auto& one) { return one.facts.drop_after_load; });
  if (!by_rule) return;
  DropTask task;
  task.process = load.readers.front().reader.process;
  DropReport stays;
  uint64_t had = load.loaded_bytes;
  for (const LoadReader& one : load.readers) {
    const FileId& file = one.reader.file;
    task.files.push_back({file, one.facts.file_size, one.facts.path});
    had += one.cached_bytes;
    const bool has_other = std::any_of(helped_.begin(), helped_.end(), [&](const auto& entry) {
      return entry.first.file == file && entry.first.process != task.process;
    });
    if (has_other) stays.trouble = "another process reads it as well";
    const Store& store = store_of(one.reader);
    if (store.file_system.empty() || is_fuse(store.file_system, true)) {
      stays.trouble = "on FUSE one more open may throw out what others have mapped";
    }
  }
  // Of a header that was read meanwhile, or a tail, no probe tells.
  if (had < load.total_bytes - load.total_bytes / 20) stays.trouble = "not all of it was loaded";
  if (stays.trouble.empty()) {
    const Status started = dropper_.start(load.id, task);
    if (started.ok()) return;
    stays.trouble = started.error().message;
  }
  on_dropped(load.id, task, stays);
}

void Tuner::on_dropped(uint32_t load, const DropTask& task, const DropReport& report) {
  const std::string path = escape(task.files.front().path);
  const std::string trouble = escape(report.trouble);
  std::string text = path + ": ";
  if (report.files == 0) {
    text += files(task.files.size()) + " stay in the page cache: " + trouble;
  } else {
    text += files(report.files) + " left the page cache, but for what is mapped";
    if (!trouble.empty()) text += "; " + trouble;
  }
  recorder_.add("evicted", text,
                {{"pid", static_cast<uint32_t>(task.process.pid)},
                 {"path", path},
                 {"load", load},
                 {"files", report.files},
                 {"reason", trouble}});
}

}  // namespace tuneshift
