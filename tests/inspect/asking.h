// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <systemd/sd-event.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "daemon/inspector.h"
#include "libtune/rules_file.h"

namespace tuneshift::testing {

/// The formats that the project ships.
inline FormatRules shipped_formats() {
  std::ifstream file(TUNESHIFT_RULES);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  Diagnostics mistakes;
  FormatRules formats = parse_rules_file(text, TUNESHIFT_RULES, mistakes).formats;
  if (!mistakes.empty()) throw std::runtime_error(to_string(mistakes.front()));
  return formats;
}

/// An inspector on a loop of its own that keeps the answers.
class Asking {
 public:
  explicit Asking(Inspector::Limits limits = {20000, 8, 256},
                  const std::string& helper = TUNESHIFT_INSPECT)
      : loop_(make_loop()),
        inspector_(loop_.get(), helper, limits, [this](const Reader& reader, Result<Facts> result) {
          answers.emplace_back(reader, std::move(result));
        }) {
    inspector_.set_rules(shipped_formats());
  }
  Asking(const Asking&) = delete;
  Asking& operator=(const Asking&) = delete;

  void ask(const Reader& reader, uint64_t size = 1 << 20) { inspector_.inspect(reader, size); }

  void set_rules(const FormatRules& rules) { inspector_.set_rules(rules); }

  /// Runs the loop until there are so many answers.
  void wait_for(size_t count) {
    while (answers.size() < count) {
      const int ran = sd_event_run(loop_.get(), 30000000);
      if (ran <= 0) throw std::runtime_error("no answer");
    }
  }

  /// One question and its answer.
  Result<Facts> facts(const Reader& reader) {
    const size_t count = answers.size();
    ask(reader);
    wait_for(count + 1);
    return answers.back().second;
  }

  /// The files of a process, asked and answered.
  Result<std::vector<HeldFile>> held_files(const ProcessId& process, uint64_t floor_bytes) {
    std::optional<Result<std::vector<HeldFile>>> answer;
    inspector_.on_files([&](const ProcessId&, const auto& files) { answer = files; });
    inspector_.list_files(process, floor_bytes);
    while (!answer) {
      if (sd_event_run(loop_.get(), 30000000) <= 0) throw std::runtime_error("no answer");
    }
    return *answer;
  }

  std::vector<std::pair<Reader, Result<Facts>>> answers;

 private:
  static sd_event* make_loop() {
    sd_event* loop = nullptr;
    if (sd_event_new(&loop) < 0) throw std::runtime_error("sd_event_new");
    return loop;
  }
  struct Unref {
    void operator()(sd_event* loop) const { sd_event_unref(loop); }
  };
  // The inspector goes before its loop does.
  std::unique_ptr<sd_event, Unref> loop_;
  Inspector inspector_;
};

}  // namespace tuneshift::testing
