// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/replay.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "client/replay_score.h"
#include "client/session.h"
#include "client/table.h"
#include "client/utf8.h"

namespace tuneshift {

namespace {

constexpr uint64_t kMicrosecond = 1000;
constexpr size_t kChunkBytes = 64 << 10;

struct ReplayArguments {
  std::vector<std::string> files;
  std::vector<std::string> profiles = {"/usr/lib/tuneshift/profiles", "/etc/tuneshift/profiles"};
  bool check = false;
};

Result<std::string> read_file(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::string text;
  std::array<char, kChunkBytes> chunk{};
  // One byte too many is enough for the parser to refuse it.
  while (stream && text.size() <= most_trace_bytes) {
    stream.read(chunk.data(), chunk.size());
    text.append(chunk.data(), static_cast<size_t>(stream.gcount()));
  }
  if (stream.bad() || !stream.is_open()) return errno_error(errno, printable(path));
  return text;
}

std::string elapsed(uint64_t time_ns, const Replayed& done) {
  char text[32];
  std::snprintf(text, sizeof text, "+%.3f s",
                static_cast<double>(time_ns - std::min(time_ns, done.first_ns)) / 1e9);
  return text;
}

std::string describe(const ReplayStep& step) {
  if (!step.change) {
    if (step.wanted.empty()) return step.knob;
    return step.knob + " → " + step.wanted + " (" + step.profile + " for " + step.owner + ")";
  }
  std::string text = "process " + std::to_string(step.change->reader.process.pid);
  if (!step.command.empty()) text += " (" + step.command + ")";
  if (step.change->load != 0) text += ", load " + std::to_string(step.change->load);
  return step.change->reason.empty() ? text : text + ": " + step.change->reason;
}

std::string kind_of(const ReplayStep& step) {
  if (step.change) return to_string(step.change->kind);
  return step.wanted.empty() ? "goes back" : "wants";
}

std::string describe(const ReplayVerdict& verdict) {
  if (verdict.label.is == TraceLabel::Is::server)
    return verdict.served ? "served" : "did not serve";
  std::string text = verdict.loaded ? "loaded" : "loaded nothing";
  if (verdict.delay_ns)
    text +=
        ", told " + human_duration(*verdict.delay_ns / kMicrosecond) + " after it was suspected";
  if (!verdict.loaded && !verdict.reason.empty()) text += ": " + verdict.reason;
  return text;
}

void show(const std::string& file, const Replayed& done, const Style& style) {
  print(paint(style, Colour::bold, printable(file)) + '\n');
  Table table({{"TIME", Align::right}, {"EVENT"}, {"WHAT"}});
  for (const ReplayStep& step : done.steps)
    table.add({elapsed(step.time_ns, done), kind_of(step), describe(step)});
  for (const ReplayVerdict& verdict : done.verdicts) {
    table.add({"",
               {verdict.holds() ? "right" : "WRONG", verdict.holds() ? Colour::green : Colour::red},
               std::to_string(verdict.label.pid) + " " + verdict.label.name + ", a " +
                   to_string(verdict.label.is) + ": " + describe(verdict)});
  }
  for (const std::string& difference : done.differences)
    table.add({"", {"DIFFERS", Colour::red}, difference});
  if (done.lost_lines != 0)
    table.add({"",
               {"lost", Colour::yellow},
               counted(done.lost_lines, "line") + " of the recording: not compared from there on"});
  print(table.empty() ? "Nothing was decided.\n" : table.render(style));
}

Json to_json(const Replayed& done) {
  Json steps = Json::array();
  for (const ReplayStep& step : done.steps) {
    Json row = Json::object();
    row.set("after_us", (step.time_ns - std::min(step.time_ns, done.first_ns)) / kMicrosecond)
        .set("kind", kind_of(step));
    if (step.change) {
      row.set("pid", step.change->reader.process.pid).set("command", step.command);
      row.set("load", step.change->load).set("reason", step.change->reason);
    } else {
      row.set("knob", step.knob).set("wanted", step.wanted).set("profile", step.profile);
      row.set("owner", step.owner);
    }
    steps.append(std::move(row));
  }
  Json labels = Json::array();
  for (const ReplayVerdict& verdict : done.verdicts) {
    Json row = Json::object();
    row.set("pid", verdict.label.pid).set("name", verdict.label.name);
    row.set("is", to_string(verdict.label.is)).set("holds", verdict.holds());
    row.set("loaded", verdict.loaded).set("served", verdict.served);
    if (verdict.delay_ns) row.set("delay_us", *verdict.delay_ns / kMicrosecond);
    labels.append(row.set("reason", verdict.reason));
  }
  Json differences = Json::array();
  for (const std::string& difference : done.differences) differences.append(difference);
  return Json::object()
      .set("steps", std::move(steps))
      .set("labels", std::move(labels))
      .set("differences", std::move(differences))
      .set("compared", done.compared)
      .set("lost_lines", done.lost_lines);
}

int replay_files(const Session& session, const ReplayArguments& arguments) {
  Diagnostics mistakes;
  const Profiles profiles = read_profiles(arguments.profiles, mistakes);
  for (const Diagnostic& mistake : mistakes)
    std::fprintf(stderr, "%s\n", to_string(mistake).c_str());
  if (!mistakes.empty()) return kFailed;
  ReplayScore score;
  Json files = Json::array();
  std::chrono::steady_clock::duration took{};
  for (const std::string& file : arguments.files) {
    const auto text = read_file(file);
    if (!text) return fail(text.error());
    const auto start = std::chrono::steady_clock::now();
    const auto trace = parse_trace(text.value());
    if (!trace) return fail(trace.error().with_context(printable(file)));
    const Replayed done = replay(trace.value(), profiles);
    took += std::chrono::steady_clock::now() - start;
    score.add(done);
    if (session.json) {
      files.append(Json::object().set("file", file).merge(to_json(done)));
    } else {
      show(file, done, session.style);
    }
  }
  score.took_us =
      static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(took).count());
  if (session.json) {
    print(Json::object().set("files", std::move(files)).set("summary", score.json()));
  } else {
    print('\n' + score.text());
  }
  return arguments.check && !score.is_good() ? kFailed : kSuccess;
}

}  // namespace

void add_replay_verbs(CLI::App& app, Session& session) {
  auto arguments = std::make_shared<ReplayArguments>();
  auto* verb = app.add_subcommand("replay", "Decide once more on what was recorded");
  verb->add_option("FILE", arguments->files, "Traces of 'record'")->required();
  verb->add_option("--profiles", arguments->profiles,
                   "Folder of profiles; several, the later ones override the earlier "
                   "(/usr/lib/tuneshift/profiles, /etc/tuneshift/profiles)")
      ->type_name("DIR")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  verb->add_flag("--check", arguments->check,
                 "Fail when a label is contradicted or a decision differs from the recorded one");
  verb->callback([&session, arguments] {
    session.local = [&session, arguments] { return replay_files(session, *arguments); };
  });
}

}  // namespace tuneshift
