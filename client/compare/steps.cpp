// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/compare/steps.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "libtune/catalogue.h"
#include "libtune/number.h"
#include "libtune/topology.h"

namespace tuneshift {

namespace {

constexpr int64_t kReadAheadKib = 4096;
const std::string kTunedProfile = "throughput-performance";
constexpr const char* kNeedsRoot = "needs root";

bool is_installed(const std::string& program) {
  const char* variable = std::getenv("PATH");
  std::string rest = variable == nullptr ? "" : variable;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(':'), rest.size());
    if (access((rest.substr(0, end) + '/' + program).c_str(), X_OK) == 0) return true;
    rest.erase(0, end + 1);
  }
  return false;
}

Status make_cold(Bench& bench) {
  const auto left = make_cold(bench.file);
  if (!left) return left.error();
  bench.most_left_bytes = std::max(bench.most_left_bytes, left.value());
  return {};
}

Status succeeded(const Result<Ran>& ran, const std::string& program) {
  if (!ran) return ran.error();
  if (ran.value().status == 0) return {};
  return Error{
      ErrorCode::io, program + " failed with status " + std::to_string(ran.value().status), {}, 0};
}

Result<double> load_cold(Bench& bench) {
  if (const Status cold = make_cold(bench); !cold) return cold.error();
  return bench.runner.load(bench.file.path, bench.reader);
}

Result<double> load_stock(Bench& bench) {
  if (const Status aside = bench.assistance.stand_aside(); !aside) return aside.error();
  return load_cold(bench);
}

Result<double> load_helped(Bench& bench) {
  if (const Status aside = bench.assistance.stand_aside(); !aside) return aside.error();
  // While it looks away: what is looked at here is mapped for a moment.
  if (const Status cold = make_cold(bench); !cold) return cold.error();
  if (const Status told = bench.assistance.help(); !told) return told.error();
  auto loaded = bench.runner.load(bench.file.path, bench.reader);
  bench.helped.insert(static_cast<uint64_t>(bench.runner.last_pid()));
  return loaded;
}

/// A program that reads the file first is part of the time that the load takes.
Result<double> load_after(Bench& bench, const std::vector<std::string>& command) {
  if (const Status aside = bench.assistance.stand_aside(); !aside) return aside.error();
  if (const Status cold = make_cold(bench); !cold) return cold.error();
  const auto ran = bench.runner.run_silently(command);
  if (const Status done = succeeded(ran, command.front()); !done) return done.error();
  auto loaded = bench.runner.load(bench.file.path, bench.reader);
  if (!loaded) return loaded.error();
  return ran.value().ms + loaded.value();
}

Step reader_first(Bench& bench, const std::string& name, std::vector<std::string> command) {
  Step step{name + " first", is_installed(name) ? "" : "not installed", {}};
  step.measure = [&bench, command = std::move(command)] { return load_after(bench, command); };
  return step;
}

struct ReadAhead {
  std::string path;
  std::string original;
};

Result<ReadAhead> find_read_ahead(const Bench& bench) {
  const auto store = find_store(bench.kernel, bench.file.device_major, bench.file.device_minor,
                                read_mounts(bench.kernel, "self"));
  if (!store) return store.error();
  const auto knob = resolve_knob(bench.kernel, store.value().read_ahead_knob);
  if (!knob) return knob.error();
  const auto original = bench.kernel.read(knob.value().path);
  if (!original) return original.error();
  return ReadAhead{knob.value().path, original.value()};
}

Result<double> load_with_read_ahead(Bench& bench) {
  // First: what the daemon puts back is the original.
  if (const Status aside = bench.assistance.stand_aside(); !aside) return aside.error();
  const auto read_ahead = find_read_ahead(bench);
  if (!read_ahead) return read_ahead.error();
  const auto& [path, original] = read_ahead.value();
  const std::string ours = std::to_string(kReadAheadKib);
  if (const Status kept = bench.keeper.keep_value(path, ours, original); !kept) return kept.error();
  if (const Status written = bench.kernel.write(path, ours); !written) return written.error();
  auto loaded = load_cold(bench);
  // Somebody else's value stays.
  const auto current = bench.kernel.read(path);
  if (!current) return current.error();
  if (current.value() == ours) {
    if (const Status back = bench.kernel.write(path, original); !back) return back.error();
  }
  if (const Status told = bench.keeper.forget_value(); !told) return told.error();
  return loaded;
}

std::string why_no_read_ahead(const Bench& bench) {
  if (geteuid() != 0) return kNeedsRoot;
  const auto read_ahead = find_read_ahead(bench);
  if (!read_ahead) return read_ahead.error().message;
  const auto kib = parse_integer(read_ahead.value().original);
  return kib.value_or(0) >= kReadAheadKib ? "it is " + read_ahead.value().original + " KiB already"
                                          : "";
}

/// What tuned-adm says to `question` after `intro`, empty when it says something else; nothing when
/// tuned does not answer.
std::optional<std::string> ask_tuned(Bench& bench, const std::string& question,
                                     const std::string& intro) {
  const auto ran = bench.runner.run({"tuned-adm", question});
  if (!ran || ran.value().status != 0) return std::nullopt;
  const std::string& text = ran.value().output;
  const size_t at = text.find(intro);
  if (at == std::string::npos) return "";
  const size_t start = at + intro.size();
  return text.substr(start, text.find('\n', start) - start);
}

/// What tuned-adm is to be told for what is there now. Setting a profile by its name would end that
/// tuned chooses it itself.
std::vector<std::string> way_back_of_tuned(Bench& bench, const std::string& profile) {
  if (profile.empty()) return {"off"};
  const auto mode = ask_tuned(bench, "profile_mode", "Profile selection mode: ");
  if (mode == "auto") return {"auto_profile"};
  return {"profile", profile};
}

Result<double> load_with_tuned(Bench& bench, const std::string& before) {
  if (const Status aside = bench.assistance.stand_aside(); !aside) return aside.error();
  const auto way_back = way_back_of_tuned(bench, before);
  if (const Status kept = bench.keeper.keep_tuned(way_back); !kept) return kept.error();
  const auto switched = bench.runner.run_silently(tuned_command({"profile", kTunedProfile}));
  if (const Status done = succeeded(switched, "tuned-adm"); !done) return done.error();
  auto loaded = load_cold(bench);
  if (!loaded) return loaded;  // and the keeper puts it back
  const auto back = bench.runner.run_silently(tuned_command(way_back));
  if (const Status done = succeeded(back, "tuned-adm"); !done) return done.error();
  if (const Status told = bench.keeper.forget_tuned(); !told) return told.error();
  return loaded;
}

Step with_tuned(Bench& bench) {
  Step step{"tuned " + kTunedProfile, "", {}};
  if (!is_installed("tuned-adm")) {
    step.skipped = "not installed";
  } else if (geteuid() != 0) {
    step.skipped = kNeedsRoot;
  } else if (const auto before = ask_tuned(bench, "active", "Current active profile: "); !before) {
    step.skipped = "tuned is not running";
  } else if (*before == kTunedProfile) {
    step.skipped = "it is active already";
  } else {
    step.measure = [&bench, before = *before] { return load_with_tuned(bench, before); };
  }
  return step;
}

}  // namespace

std::vector<Step> make_steps(Bench& bench) {
  const std::string& path = bench.file.path;
  std::vector<Step> steps;
  steps.push_back({"stock", "", [&bench] { return load_stock(bench); }});
  steps.push_back(
      {"tuneshift", bench.assistance.why_not(), [&bench] { return load_helped(bench); }});
  steps.push_back({"read-ahead 4096", why_no_read_ahead(bench),
                   [&bench] { return load_with_read_ahead(bench); }});
  steps.push_back(reader_first(bench, "cat", {"cat", path}));
  steps.push_back(reader_first(bench, "vmtouch", {"vmtouch", "-q", "-t", path}));
  steps.push_back(with_tuned(bench));
  return steps;
}

}  // namespace tuneshift
