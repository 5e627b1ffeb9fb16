// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/recorder.h"

#include <spdlog/spdlog.h>

#include "daemon/loop.h"
#include "libtune/escape.h"

namespace tuneshift {

void Recorder::add(const std::string& kind, const std::string& text, Fields fields) {
  spdlog::info("{}", text);
  Record record;
  record.time_us = realtime_us();
  record.mono_us = monotonic_ns() / 1000;
  record.kind = kind;
  record.text = text;
  record.fields = std::move(fields);
  history_.add(std::move(record));
  ++counts_[kind];
}

void Recorder::warn(const std::string& text) {
  spdlog::warn("{}", text);
}

void Recorder::add_change(const Change& change, uint64_t since_ns) {
  const uint64_t after_us =
      since_ns != 0 && change.done_ns > since_ns ? (change.done_ns - since_ns) / 1000 : 0;
  std::string text = change.knob + ": ";
  switch (change.kind) {
    case ChangeKind::written:
      text +=
          change.from + " → " + change.to + " (" + change.profile + " for " + change.owner + ")";
      break;
    case ChangeKind::restored:
      text += change.from + " → " + change.to + " (back to what it was)";
      break;
    case ChangeKind::failed:
      text += "not changed: " + change.why;
      break;
    case ChangeKind::yielded:
      text += (change.writer.empty() ? "somebody else" : change.writer) + " set " + change.to +
              " over our " + change.from + ": left alone";
      break;
    case ChangeKind::rebased:
      text += "goes back to " + change.to + " instead of " + change.from + ": " + change.why;
      break;
    case ChangeKind::absent:
      text += "not there: " + change.why;
      break;
    case ChangeKind::put_off:
      text += change.why;
      break;
  }
  Fields fields = {{"knob", escape(change.knob)}, {"from", escape(change.from)},
                   {"to", escape(change.to)},     {"owner", escape(change.owner)},
                   {"profile", change.profile},   {"why", escape(change.why)},
                   {"after_us", after_us}};
  if (!change.writer.empty()) fields.emplace_back("writer", change.writer);
  add(to_string(change.kind), escape(text), std::move(fields));
}

void Recorder::add_would_write(const PlanRow& row, const std::string& profile) {
  add("would-write",
      escape(row.knob + ": would be " + row.current + " → " + row.wanted + " (" + profile +
             "; observing)"),
      {{"knob", row.knob},
       {"from", escape(row.current)},
       {"to", escape(row.wanted)},
       {"owner", escape(row.owner)},
       {"profile", profile},
       {"why", escape(row.why)},
       {"after_us", uint64_t{0}}});
}

std::string name_of(const FileId& file) {
  return std::to_string(file.device_major) + ":" + std::to_string(file.device_minor) + ":" +
         std::to_string(file.inode);
}

}  // namespace tuneshift
