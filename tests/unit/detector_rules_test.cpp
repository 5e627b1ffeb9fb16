// SPDX-License-Identifier: LGPL-2.1-or-later
// What the detector makes of rules, data formats, GPUs and processes that serve without a load.
#include "libtune/detector.h"
#include "tests/catch.h"
#include "tests/unit/detector_subjects.h"

using namespace tuneshift;
using test::Kind;
using test::kinds;
using test::Kinds;
using test::mib;
using test::ms;
using test::size;

namespace {

const Reader reader = {{10, 1000}, {8, 1, 7}};

Event event_at(Evidence evidence, uint64_t time_ns, uint64_t bytes, const Reader& who = reader) {
  Event event;
  event.reader = who;
  event.evidence = evidence;
  event.time_ns = time_ns;
  event.first_ns = 1 * ms;
  event.bytes = bytes;
  event.sequential = bytes;
  event.file_size = size;
  event.command = "serve";
  return event;
}

Facts model_facts(bool mapped, uint64_t resident = 0) {
  Facts facts;
  facts.format = "gguf";
  facts.detail = "GGUF version 3";
  facts.path = "/m/a.gguf";
  facts.model = "/m/a.gguf";
  facts.file_size = size;
  facts.model_bytes = size;
  facts.mapped = mapped;
  facts.resident_bytes = resident;
  facts.command_line = "/usr/bin/serve --model /m/a.gguf";
  return facts;
}

Facts with_rule(ProcessRole role, Facts facts) {
  facts.rule = "mine";
  facts.rule_role = role;
  return facts;
}

ProcessSample holding(uint64_t anonymous, uint64_t file = 0, uint64_t written = 0) {
  ProcessSample sample;
  sample.anonymous_bytes = anonymous;
  sample.file_bytes = file;
  sample.written_bytes = written;
  return sample;
}

/// A reader without a mapping, recognised and sampled at its first byte.
Detector reading_detector(const Facts& facts, Evidence evidence = Evidence::read_miss) {
  Detector detector({2000});
  detector.on_event(event_at(evidence, 1 * ms, 0));
  REQUIRE(detector.wants_sample(reader));
  detector.on_sample(reader, holding(10 * mib), 1 * ms);
  CHECK_FALSE(detector.wants_sample(reader));
  CHECK(kinds(detector.on_facts(reader, facts, 2 * ms)) == Kinds{Kind::recognised});
  return detector;
}

Detector::Changes read_on(Detector& detector, uint64_t bytes, const ProcessSample& sample) {
  CHECK(detector.on_event(event_at(Evidence::read_miss, 50 * ms, bytes)).empty());
  REQUIRE(detector.wants_sample(reader));
  return detector.on_sample(reader, sample, 51 * ms);
}

/// Loaded by its mapping: load 1 has finished.
Detector serving_detector(bool mapped) {
  Detector detector({2000});
  detector.on_event(event_at(Evidence::read_miss, 1 * ms, mib));
  CHECK(kinds(detector.on_facts(reader, with_rule(ProcessRole::loader, model_facts(mapped)),
                                2 * ms)) == Kinds{Kind::recognised, Kind::started});
  detector.on_event(event_at(Evidence::read_miss, 3 * ms, size));
  CHECK(kinds(detector.on_timer(4 * ms)) == Kinds{Kind::finished});
  return detector;
}

}  // namespace

TEST_CASE("a loader's read of a model file is a load at once") {
  Detector detector({2000});
  detector.on_event(event_at(Evidence::read_miss, 1 * ms, mib));
  const auto changes =
      detector.on_facts(reader, with_rule(ProcessRole::loader, model_facts(false)), 2 * ms);
  REQUIRE(kinds(changes) == Kinds{Kind::recognised, Kind::started});
  CHECK(changes[1].reason == "rule 'mine': reads a gguf file");
}

TEST_CASE("a program that loads nothing is rejected by its rule's name") {
  Detector detector({2000});
  detector.on_event(event_at(Evidence::mapping, 1 * ms, 0));
  const auto changes =
      detector.on_facts(reader, with_rule(ProcessRole::never, model_facts(true, size)), 2 * ms);
  REQUIRE(kinds(changes) == Kinds{Kind::rejected});
  CHECK(changes[0].reason == "rule 'mine': such programs load no model");
  CHECK_FALSE(detector.watches(reader));
}

TEST_CASE("data is rejected by its format, beside a GPU and from a loader too") {
  Facts facts = model_facts(true);
  facts.format = "parquet";
  facts.detail = "parquet";
  facts.role = FormatRole::data;
  facts.holds_gpu = true;
  Detector detector({2000});
  detector.on_event(event_at(Evidence::read_miss, 1 * ms, mib));
  const auto changes = detector.on_facts(reader, with_rule(ProcessRole::loader, facts), 2 * ms);
  REQUIRE(kinds(changes) == Kinds{Kind::rejected});
  CHECK(changes[0].reason == "not a model file: parquet");
}

TEST_CASE("an unknown file beside a GPU is a load only by what stays in memory") {
  Facts facts = model_facts(true);
  facts.format = "";
  facts.detail = "no known format";
  facts.holds_gpu = true;
  Detector detector = reading_detector(facts);
  CHECK(detector.facts(reader)->format == unknown_format);
  SECTION("it keeps it") {
    const auto changes = read_on(detector, 64 * mib, holding(42 * mib));
    REQUIRE(kinds(changes) == Kinds{Kind::started});
    CHECK(changes[0].reason == "keeps what it reads of an unknown file");
  }
  SECTION("it does not: samples of a training set") {
    const auto changes = read_on(detector, 256 * mib, holding(10 * mib));
    REQUIRE(kinds(changes) == Kinds{Kind::rejected});
    CHECK(changes[0].reason == "passes on what it reads");
  }
}

TEST_CASE("what keeps nothing is rejected before it ends") {
  Detector detector = reading_detector(model_facts(false));
  CHECK(read_on(detector, 255 * mib, holding(10 * mib)).empty());
  const auto changes = read_on(detector, 256 * mib, holding(10 * mib));
  REQUIRE(kinds(changes) == Kinds{Kind::rejected});
  CHECK(changes[0].reason == "passes on what it reads");
}

TEST_CASE("what writes as it reads is rejected from 64 MiB on") {
  Detector detector = reading_detector(model_facts(false));
  const auto changes = read_on(detector, 64 * mib, holding(10 * mib, 0, 60 * mib));
  REQUIRE(kinds(changes) == Kinds{Kind::rejected});
  CHECK(changes[0].reason == "writes what it reads");
}

TEST_CASE("a model read with O_DIRECT beside a GPU goes there, unless it is written") {
  Facts facts = model_facts(false);
  facts.holds_gpu = true;
  Detector detector = reading_detector(facts, Evidence::direct_read);
  SECTION("nothing stays and nothing is written") {
    const auto changes = read_on(detector, 256 * mib, holding(10 * mib));
    REQUIRE(kinds(changes) == Kinds{Kind::started});
    CHECK(changes[0].reason == "feeds a GPU from a gguf file");
  }
  SECTION("it is written") {
    CHECK(kinds(read_on(detector, 256 * mib, holding(10 * mib, 0, 250 * mib))) ==
          Kinds{Kind::rejected});
  }
}

TEST_CASE("a loader that maps what is cached serves at once, without a load") {
  Detector detector({2000});
  detector.on_event(event_at(Evidence::mapping, 1 * ms, 0));
  const auto changes =
      detector.on_facts(reader, with_rule(ProcessRole::loader, model_facts(true, size)), 2 * ms);
  REQUIRE(kinds(changes) == Kinds{Kind::serving});
  CHECK(changes[0].reason == "rule 'mine'");
  CHECK(changes[0].load == 0);
  CHECK(detector.facts(reader)->model == "/m/a.gguf");
  CHECK(detector.knows(reader.process));
  CHECK_FALSE(detector.next_deadline_ns());

  // Its next shard is the same model.
  const Reader shard = {reader.process, {8, 1, 8}};
  detector.on_event(event_at(Evidence::mapping, 3 * ms, 0, shard));
  const auto next =
      detector.on_facts(shard, with_rule(ProcessRole::loader, model_facts(true, size)), 4 * ms);
  REQUIRE(kinds(next) == Kinds{Kind::serving});
  CHECK(next[0].reason.empty());

  // One that was looked at before its mapping was there had help, which ends.
  const Reader early = {reader.process, {8, 1, 9}};
  detector.on_event(event_at(Evidence::mapping, 5 * ms, 0, early));
  CHECK(kinds(detector.on_facts(early, with_rule(ProcessRole::loader, model_facts(false, size)),
                                6 * ms)) == Kinds{Kind::recognised, Kind::look_again});
  CHECK(kinds(detector.on_facts(early, with_rule(ProcessRole::loader, model_facts(true, size)),
                                7 * ms)) == Kinds{Kind::serving});
  detector.on_process_gone(reader.process, 5 * ms);
  CHECK_FALSE(detector.knows(reader.process));
}

TEST_CASE("a loader that maps what is half cached loads the rest") {
  Detector detector({2000});
  detector.on_event(event_at(Evidence::mapping, 1 * ms, 0));
  CHECK(kinds(detector.on_facts(reader, with_rule(ProcessRole::loader, model_facts(true, size / 2)),
                                2 * ms)) == Kinds{Kind::recognised});
  CHECK(kinds(detector.on_event(event_at(Evidence::read_miss, 3 * ms, mib))) ==
        Kinds{Kind::started});
}

TEST_CASE("what a reader brought in itself was not cached before") {
  Detector detector({2000});
  detector.on_event(event_at(Evidence::mapping, 1 * ms, 0));
  detector.on_event(event_at(Evidence::read_miss, 2 * ms, size - 8 * mib));
  CHECK(kinds(detector.on_facts(reader, with_rule(ProcessRole::loader, model_facts(true, size)),
                                3 * ms)) == Kinds{Kind::recognised, Kind::started});
}

TEST_CASE("a cached mapping without a rule serves when it stays and was touched") {
  Detector detector({2000});
  detector.on_event(event_at(Evidence::mapping, 1 * ms, 0));
  detector.on_sample(reader, holding(0, 100 * mib), 1 * ms);
  detector.on_facts(reader, model_facts(true, size), 2 * ms);
  CHECK(kinds(detector.on_timer(2002 * ms)) == Kinds{Kind::dormant, Kind::look_again});

  SECTION("half of it was touched") {
    CHECK(detector.on_facts(reader, model_facts(true, size), 2003 * ms).empty());
    REQUIRE(detector.wants_sample(reader));
    const auto changes = detector.on_sample(reader, holding(0, 356 * mib), 2003 * ms);
    REQUIRE(kinds(changes) == Kinds{Kind::serving});
    CHECK(changes[0].reason == "keeps all of it mapped");
  }
  SECTION("its pages were in the first sample already") {
    Detector late({2000});
    late.on_event(event_at(Evidence::mapping, 1 * ms, 0));
    late.on_sample(reader, holding(0, 512 * mib), 5 * ms);
    late.on_facts(reader, model_facts(true, size), 6 * ms);
    late.on_timer(2006 * ms);
    late.on_facts(reader, model_facts(true, size), 2007 * ms);
    CHECK(kinds(late.on_sample(reader, holding(0, 462 * mib), 2007 * ms)) == Kinds{Kind::serving});
  }
  SECTION("next to nothing was: looked at after twice the time, a bounded number of times") {
    uint64_t now_ns = 2003 * ms;
    for (unsigned look = 1; look <= Detector::most_warm_looks; ++look) {
      CHECK(detector.on_facts(reader, model_facts(true, size), now_ns).empty());
      CHECK(detector.on_sample(reader, holding(0, 355 * mib), now_ns).empty());
      const auto next = detector.next_deadline_ns();
      CHECK(next.has_value() == (look < Detector::most_warm_looks));
      if (!next) break;
      CHECK(*next == now_ns + (2000 * ms << look));
      now_ns = *next;
      CHECK(kinds(detector.on_timer(now_ns)) == Kinds{Kind::look_again});
    }
  }
  SECTION("it is gone by then") {
    CHECK(detector.on_facts(reader, model_facts(false, size), 2003 * ms).empty());
    CHECK_FALSE(detector.wants_sample(reader));
    CHECK_FALSE(detector.next_deadline_ns());
  }
  SECTION("it misses pages by then: a load") {
    detector.on_event(event_at(Evidence::read_miss, 2002 * ms, 16 * mib));
    CHECK(kinds(detector.on_facts(reader, model_facts(true, size), 2003 * ms)) ==
          Kinds{Kind::recognised, Kind::started});
  }
}

TEST_CASE("faults in the mapping that serves are no load; a new mapping that misses pages is") {
  Detector detector = serving_detector(true);
  for (unsigned i = 1; i <= 20; ++i) {
    CHECK(detector.on_event(event_at(Evidence::read_miss, i * 1000 * ms, size + 8 * i * mib))
              .empty());
  }
  CHECK(detector.watches(reader));
  CHECK(detector.on_event(event_at(Evidence::mapping, 30000 * ms, size + 160 * mib)).empty());
  auto changes = detector.on_event(event_at(Evidence::read_miss, 30001 * ms, size + 168 * mib));
  REQUIRE(kinds(changes) == Kinds{Kind::suspected});
  CHECK(changes[0].reason == "read miss of a file that it had loaded");
  changes =
      detector.on_facts(reader, with_rule(ProcessRole::loader, model_facts(true)), 30002 * ms);
  REQUIRE(kinds(changes) == Kinds{Kind::recognised, Kind::started});
  CHECK(changes[1].load == 2);
  // Only what it missed since counts.
  CHECK(detector.load(2)->loaded_bytes == 8 * mib);
  CHECK(detector.load(2)->first_ns == 30001 * ms);
}

TEST_CASE("a reader without a mapping that reads its file again is looked at again") {
  Detector detector = serving_detector(false);
  CHECK(detector.on_event(event_at(Evidence::read_miss, 5 * ms, size)).empty());
  CHECK(kinds(detector.on_event(event_at(Evidence::read_miss, 9000 * ms, size + 8 * mib))) ==
        Kinds{Kind::suspected});
}

TEST_CASE("the next file of a model that its process loads needs no proof") {
  Detector detector = reading_detector(model_facts(false));
  CHECK(kinds(read_on(detector, 64 * mib, holding(60 * mib))) == Kinds{Kind::started});
  const Reader shard = {reader.process, {8, 1, 8}};
  detector.on_event(event_at(Evidence::read_miss, 60 * ms, mib, shard));
  CHECK(kinds(detector.on_facts(shard, model_facts(false), 61 * ms)) ==
        Kinds{Kind::recognised, Kind::joined});
  // Somebody else's read of it does.
  const Reader other = {{11, 1000}, {8, 1, 8}};
  detector.on_event(event_at(Evidence::read_miss, 62 * ms, mib, other));
  CHECK(kinds(detector.on_facts(other, model_facts(false), 63 * ms)) == Kinds{Kind::recognised});
}
