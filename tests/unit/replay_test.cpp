// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/replay.h"

#include <algorithm>

#include "libtune/catalogue.h"
#include "libtune/recorded_detector.h"
#include "tests/catch.h"

using namespace tuneshift;

namespace {

constexpr uint64_t ms = 1'000'000;
constexpr uint64_t mib = 1 << 20;
constexpr uint64_t size = 512 * mib;
const Reader reader{{812, 99120}, {254, 1, 7}};

Event event_at(const Reader& who, Evidence evidence, uint64_t time_ns, uint64_t bytes) {
  Event event;
  event.reader = who;
  event.evidence = evidence;
  event.time_ns = time_ns;
  event.first_ns = time_ns;
  event.bytes = bytes;
  event.file_size = size;
  event.command = "reader";
  return event;
}

Facts model_facts() {
  Facts facts;
  facts.format = "safetensors";
  facts.detail = "safetensors header";
  facts.path = facts.model = "/m/model.safetensors";
  facts.file_size = facts.model_bytes = size;
  facts.mapped = true;
  return facts;
}

TraceSettings settings() {
  TraceSettings now;
  now.mode = Mode::automatic;
  now.loading_profile = "throughput";
  now.serving_profile = "latency";
  return now;
}

TraceEntry label(pid_t pid, TraceLabel::Is is, uint64_t within_ms = 0) {
  return {0, TraceLabel{pid, is, "test", within_ms}};
}

/// What a detector was told, from its first load to the end of the process, and what it decided.
/// An earlier load of another process comes before the recording.
Trace recorded_load(bool whole = true) {
  Trace trace;
  RecordedDetector detector({2000});
  const Reader earlier{{500, 1}, {254, 1, 6}};
  detector.on_event(event_at(earlier, Evidence::mapping, 1 * ms, 0));
  detector.on_facts(earlier, model_facts(), 2 * ms);
  detector.on_event(event_at(earlier, Evidence::read_miss, 3 * ms, 20 * mib));
  trace.push_back({4 * ms, settings()});
  detector.listen([&](const TraceEntry& entry) { trace.push_back(entry); });
  detector.on_event(event_at(earlier, Evidence::read_miss, 5 * ms, 40 * mib));
  detector.cancel(1, 6 * ms);
  detector.on_event(event_at(reader, Evidence::mapping, 10 * ms, 0));
  detector.on_facts(reader, model_facts(), 12 * ms);
  detector.on_event(event_at(reader, Evidence::read_miss, 13 * ms, 20 * mib));
  if (whole) detector.on_event(event_at(reader, Evidence::read_miss, 100 * ms, size));
  detector.on_timer(whole ? 101 * ms : 2013 * ms + 400'000);
  detector.on_process_gone(reader.process, 5000 * ms);
  return trace;
}

std::vector<std::string> kinds(const Replayed& done) {
  std::vector<std::string> found;
  for (const ReplayStep& step : done.steps) {
    if (step.change) found.emplace_back(to_string(step.change->kind));
  }
  return found;
}

using Kinds = std::vector<std::string>;
using Is = TraceLabel::Is;

Profiles one_profile() {
  ProfileEntry entry;
  entry.kind = find_kind(Family::block, "queue/read_ahead_kb");
  entry.value = Exactly{"4096"};
  Profiles profiles;
  profiles["throughput"] = {"throughput", "", {entry}, {}};
  return profiles;
}

size_t erase_decisions(Trace& trace, LoadChangeKind kind) {
  return std::erase_if(trace, [kind](const TraceEntry& entry) {
    const auto* decision = std::get_if<TraceDecision>(&entry.body);
    return decision != nullptr && decision->change.kind == kind;
  });
}

}  // namespace

TEST_CASE("a replay decides what the recorded detector decided, under its own load's number") {
  const Trace trace = recorded_load();
  const Replayed done = replay(trace, {});
  CHECK(kinds(done) == Kinds{"suspected", "recognised", "started", "finished"});
  CHECK(done.compared);
  CHECK(done.differences.empty());
  CHECK(done.steps[2].change->load == 1);  // 2 in the recording
  CHECK(done.steps[2].time_ns == 13 * ms);
  CHECK(done.first_ns == 4 * ms);
  CHECK(done.last_ns == 5000 * ms);
}

TEST_CASE("the text of a recording replays to the same") {
  std::string text = trace_header();
  for (const TraceEntry& entry : recorded_load()) text += to_line(entry);
  const auto trace = parse_trace(text);
  REQUIRE(trace.ok());
  const Replayed done = replay(trace.value(), {});
  CHECK(kinds(done) == Kinds{"suspected", "recognised", "started", "finished"});
  CHECK(done.differences.empty());
}

TEST_CASE("a decision that is not the recorded one is told") {
  Trace trace = recorded_load();
  SECTION("missing in the recording") {
    REQUIRE(erase_decisions(trace, LoadChangeKind::started) == 1);
    const Replayed done = replay(trace, {});
    REQUIRE(done.differences.size() >= 1);
    CHECK(done.differences[0] ==
          "decides started of process 812, load 1 (maps a safetensors file) where nothing was "
          "recorded");
  }
  SECTION("missing in the replay") {
    trace.push_back({5001 * ms, TraceDecision{{LoadChangeKind::dormant, reader, 0, ""}}});
    const Replayed done = replay(trace, {});
    REQUIRE(done.differences.size() == 1);
    CHECK(done.differences[0] == "decides nothing where dormant of process 812 was recorded");
  }
  SECTION("for another reason, which only a trace with its names can tell") {
    for (TraceEntry& entry : trace) {
      if (auto* decision = std::get_if<TraceDecision>(&entry.body)) decision->change.reason = "x";
    }
    CHECK_FALSE(replay(trace, {}).differences.empty());
    trace.insert(trace.begin(), {1, TraceOrigin{"", "", true}});
    CHECK(replay(trace, {}).differences.empty());
  }
  SECTION("but not behind lines that were lost") {
    REQUIRE(erase_decisions(trace, LoadChangeKind::finished) == 1);
    CHECK(replay(trace, {}).differences.size() == 1);
    trace.insert(trace.begin() + 1, {4 * ms, TraceLost{3}});
    const Replayed done = replay(trace, {});
    CHECK(done.differences.empty());
    CHECK(done.lost_lines == 3);
  }
}

TEST_CASE("a recorded timer comes when it came, another deadline when it is due") {
  Trace trace = recorded_load(false);
  SECTION("recorded") {
    const Replayed done = replay(trace, {});
    CHECK(done.steps.back().change->kind == LoadChangeKind::abandoned);
    CHECK(done.steps.back().time_ns == 2013 * ms + 400'000);
    CHECK(done.differences.empty());
  }
  SECTION("not recorded") {
    std::erase_if(trace, [](const TraceEntry& entry) {
      return std::holds_alternative<TraceTimer>(entry.body) ||
             std::holds_alternative<TraceDecision>(entry.body);
    });
    const Replayed done = replay(trace, {});
    const auto ended = std::find_if(done.steps.begin(), done.steps.end(), [](const auto& step) {
      return step.change && step.change->reader == reader &&
             step.change->kind == LoadChangeKind::abandoned;
    });
    REQUIRE(ended != done.steps.end());
    CHECK(ended->time_ns == 2013 * ms);
  }
  SECTION("at another time than the recorded one, as the settings are others") {
    erase_decisions(trace, LoadChangeKind::abandoned);
    std::get<TraceSettings>(trace[0].body).settle_ms = 1000;
    const Replayed done = replay(trace, {});
    CHECK(done.steps.back().time_ns == 1013 * ms);
  }
}

TEST_CASE("nothing is waited for behind the last line") {
  Trace trace = recorded_load(false);
  while (!std::holds_alternative<TraceTimer>(trace.back().body)) trace.pop_back();
  trace.pop_back();
  CHECK(kinds(replay(trace, {})) == Kinds{"suspected", "recognised", "started"});
  trace.push_back({9000 * ms, TraceEnd{}});
  CHECK(kinds(replay(trace, {})) == Kinds{"suspected", "recognised", "started", "abandoned"});
}

TEST_CASE("the policy's wishes are told as they change") {
  Trace trace = recorded_load();
  trace.insert(
      trace.begin(),
      {1, TraceStore{254, 1, {"254:0", "block/vda/queue/read_ahead_kb", {"vda"}, {}, ""}}});
  const Replayed done = replay(trace, one_profile());
  std::vector<std::pair<std::string, std::string>> wishes;
  for (const ReplayStep& step : done.steps) {
    if (!step.change) wishes.emplace_back(step.knob, step.wanted);
  }
  CHECK(wishes ==
        std::vector<std::pair<std::string, std::string>>{{"block/vda/queue/read_ahead_kb", "4096"},
                                                         {"block/vda/queue/read_ahead_kb", ""}});
}

TEST_CASE("labels are held against what became of their process") {
  Trace trace = recorded_load();
  const auto verdict = [&](const TraceEntry& entry) {
    Trace labelled = trace;
    labelled.push_back(entry);
    return replay(labelled, {}).verdicts.at(0);
  };
  CHECK(verdict(label(812, Is::load)).holds());
  CHECK(verdict(label(812, Is::load)).delay_ns == 3 * ms);
  CHECK(verdict(label(812, Is::load, 3)).holds());
  CHECK_FALSE(verdict(label(812, Is::load, 2)).holds());
  CHECK(verdict(label(812, Is::server)).holds());
  CHECK_FALSE(verdict(label(812, Is::not_load)).holds());
  CHECK(verdict(label(813, Is::not_load)).holds());
  CHECK_FALSE(verdict(label(813, Is::load)).holds());
  CHECK_FALSE(verdict(label(813, Is::server)).holds());
}
