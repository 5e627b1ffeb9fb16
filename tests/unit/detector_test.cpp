// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/detector.h"

#include <algorithm>

#include "tests/catch.h"
#include "tests/unit/detector_subjects.h"

using namespace tuneshift;
using namespace tuneshift::test;

TEST_CASE("a mapped model file is a load when more than its header is missed") {
  const Reader reader = reader_of(10);
  Detector detector({2000});
  CHECK(kinds(detector.on_event(event_at(reader, Evidence::mapping, 1 * ms, 0))) ==
        Kinds{Kind::suspected});
  CHECK(kinds(detector.on_facts(reader, model_facts(true), 3 * ms)) == Kinds{Kind::recognised});
  CHECK(detector.on_event(event_at(reader, Evidence::read_miss, 4 * ms, proof - 1)).empty());
  const auto changes = detector.on_event(event_at(reader, Evidence::read_miss, 4 * ms, proof));
  REQUIRE(kinds(changes) == Kinds{Kind::started});
  CHECK(changes[0].load == 1);
  CHECK(detector.load(1)->total_bytes == size);
  CHECK(detector.load(1)->loaded_bytes == proof);
}

TEST_CASE("a mapped model file is a load when it is read at random, however slowly") {
  const Reader reader = reader_of(10);
  Detector detector({2000});
  detector.on_event(event_at(reader, Evidence::mapping, 1 * ms, 0));
  detector.on_facts(reader, model_facts(true), 3 * ms);
  Event event = event_at(reader, Evidence::read_miss, 4 * ms, 128 << 10);
  event.jumps = Detector::mapping_proof_jumps - 1;
  CHECK(detector.on_event(event).empty());
  event.jumps = Detector::mapping_proof_jumps;
  CHECK(kinds(detector.on_event(event)) == Kinds{Kind::started});
}

TEST_CASE("what a second rank finds cached was read for the first") {
  const Reader first = reader_of(10);
  const Reader second = reader_of(11);
  Detector detector = loading_detector(first);
  detector.on_event(event_at(second, Evidence::mapping, 10 * ms, 0));
  Facts facts = model_facts(true);
  facts.resident_bytes = size - proof;
  CHECK(kinds(detector.on_facts(second, facts, 11 * ms)) == Kinds{Kind::recognised, Kind::joined});
  CHECK(detector.load(1)->loaded_bytes == proof);
}

TEST_CASE("facts taken before the mapping exists are asked for again, a bounded number of times") {
  const Reader reader = reader_of(10);
  Detector detector({2000});
  detector.on_event(event_at(reader, Evidence::mapping, 1 * ms, 0));
  CHECK(kinds(detector.on_facts(reader, model_facts(false), 2 * ms)) ==
        Kinds{Kind::recognised, Kind::look_again});
  CHECK(kinds(detector.on_facts(reader, model_facts(false), 3 * ms)) == Kinds{Kind::look_again});
  CHECK(kinds(detector.on_facts(reader, model_facts(false), 4 * ms)) == Kinds{Kind::look_again});
  CHECK(detector.on_facts(reader, model_facts(false), 5 * ms).empty());
}

TEST_CASE("a mapping that nobody reads loses its help and costs no timer") {
  const Reader reader = reader_of(10);
  Detector detector({2000});
  detector.on_event(event_at(reader, Evidence::mapping, 1 * ms, 0));
  Facts facts = model_facts(true);
  facts.resident_bytes = mib;
  detector.on_facts(reader, facts, 3 * ms);
  CHECK(detector.next_deadline_ns() == 2003 * ms);
  CHECK(kinds(detector.on_timer(2003 * ms)) == Kinds{Kind::dormant});
  CHECK_FALSE(detector.next_deadline_ns());
  CHECK(kinds(detector.on_event(event_at(reader, Evidence::read_miss, 9000 * ms, proof))) ==
        Kinds{Kind::recognised, Kind::started});
}

TEST_CASE("a reader that stops and goes on again and again is left alone") {
  const Reader reader = reader_of(10);
  Detector detector({2000});
  detector.on_event(event_at(reader, Evidence::read_miss, 1 * ms, mib));
  detector.on_facts(reader, model_facts(false), 3 * ms);
  uint64_t now_ns = 3 * ms;
  for (unsigned pause = 1; pause < Detector::most_pauses; ++pause) {
    now_ns += 3000 * ms;
    CHECK(kinds(detector.on_timer(now_ns)) == Kinds{Kind::dormant});
    detector.on_event(event_at(reader, Evidence::read_miss, now_ns, (1 + 8 * pause) * mib));
  }
  CHECK(kinds(detector.on_timer(now_ns + 3000 * ms)) == Kinds{Kind::rejected});
}

TEST_CASE("an inspection without an answer is tried again, a bounded number of times") {
  const Reader reader = reader_of(10);
  const Error timeout{ErrorCode::timeout, "no answer", {}, 0};
  Detector detector({2000});
  detector.on_event(event_at(reader, Evidence::read_miss, 1 * ms, mib));
  uint64_t now_ns = 1 * ms;
  for (unsigned look = 1; look < Detector::most_looks; ++look) {
    CHECK(detector.on_facts(reader, timeout, now_ns + 1 * ms).empty());
    CHECK(detector.on_event(event_at(reader, Evidence::read_miss, now_ns + 999 * ms, mib)).empty());
    now_ns += 1000 * ms;
    CHECK(kinds(detector.on_event(event_at(reader, Evidence::read_miss, now_ns, mib))) ==
          Kinds{Kind::look_again});
  }
  const auto changes = detector.on_facts(reader, timeout, now_ns);
  REQUIRE(kinds(changes) == Kinds{Kind::rejected});
  CHECK(changes[0].reason == "could not be inspected: no answer");
}

TEST_CASE("one that had closed the file when it was looked at is looked at when it comes back") {
  const Reader reader = reader_of(10);
  const Error closed{ErrorCode::not_found, "no such file is open", {}, 0};
  Detector detector({2000});
  detector.on_event(event_at(reader, Evidence::read_miss, 1 * ms, mib));
  CHECK(kinds(detector.on_facts(reader, closed, 2 * ms)) == Kinds{Kind::forgotten});
  CHECK_FALSE(detector.next_deadline_ns());
  CHECK(detector.watches(reader));
  // Minutes later.
  const uint64_t later_ns = 300'000 * ms;
  CHECK(kinds(detector.on_event(event_at(reader, Evidence::read_miss, later_ns, mib + proof))) ==
        Kinds{Kind::suspected});
  const auto changes = detector.on_facts(reader, model_facts(true), later_ns + 1 * ms);
  REQUIRE(kinds(changes) == Kinds{Kind::recognised, Kind::started});
  CHECK(detector.load(1)->first_ns == later_ns);
  CHECK(detector.load(1)->loaded_bytes == proof);
}

TEST_CASE("one that closes the file between two looks loses the help that it had by the first") {
  const Reader reader = reader_of(10);
  Detector detector({2000});
  detector.on_event(event_at(reader, Evidence::mapping, 1 * ms, 0));
  REQUIRE(kinds(detector.on_facts(reader, model_facts(false), 2 * ms)) ==
          Kinds{Kind::recognised, Kind::look_again});
  const Error closed{ErrorCode::not_found, "no such file is open", {}, 0};
  CHECK(kinds(detector.on_facts(reader, closed, 3 * ms)) == Kinds{Kind::forgotten});
  CHECK_FALSE(detector.is_undecided_or_loading(reader));
}

TEST_CASE("one that closes the file each time is looked at now and then, as long as it lives") {
  const Reader reader = reader_of(10);
  const Error closed{ErrorCode::not_found, "no such file is open", {}, 0};
  Detector detector({2000});
  uint64_t now_ns = 1 * ms;
  unsigned looks = 0;
  for (unsigned event = 1; event <= 1000; ++event, now_ns += 10 * ms) {
    const auto changes =
        detector.on_event(event_at(reader, Evidence::read_miss, now_ns, event * 8 * mib));
    if (changes.empty()) continue;
    ++looks;
    CHECK(kinds(detector.on_facts(reader, closed, now_ns)) == Kinds{Kind::forgotten});
  }
  CHECK(looks >= Detector::most_looks + 1);
  CHECK(looks <= Detector::most_looks + 3);
}

TEST_CASE("one that read all of it before its inspection had an answer is asked about again") {
  const Reader reader = reader_of(10);
  Detector detector({2000});
  detector.on_event(event_at(reader, Evidence::read_miss, 1 * ms, proof));
  CHECK_FALSE(detector.next_deadline_ns());
  detector.on_facts(reader, Error{ErrorCode::timeout, "no answer", {}, 0}, 500 * ms);
  CHECK(detector.next_deadline_ns() == 1001 * ms);
  CHECK(detector.on_timer(1000 * ms).empty());
  CHECK(kinds(detector.on_timer(1001 * ms)) == Kinds{Kind::look_again});
  CHECK(kinds(detector.on_facts(reader, model_facts(true), 1002 * ms)) ==
        Kinds{Kind::recognised, Kind::started});
}

TEST_CASE("the same path on another file system is another load") {
  Detector detector = loading_detector(reader_of(10));
  Reader other = reader_of(20);
  other.file.device_minor = 2;
  detector.on_event(event_at(other, Evidence::mapping, 5 * ms, 0));
  detector.on_facts(other, model_facts(true), 6 * ms);
  const auto changes = detector.on_event(event_at(other, Evidence::read_miss, 7 * ms, proof));
  REQUIRE(kinds(changes) == Kinds{Kind::started});
  CHECK(changes[0].load == 2);
}

TEST_CASE("an unknown format and a failed inspection are rejected with the reason") {
  Detector detector({2000});
  detector.on_event(event_at(reader_of(1), Evidence::read_miss, 1 * ms, mib));
  Facts unknown;
  unknown.detail = "starts with 7f454c46";
  auto changes = detector.on_facts(reader_of(1), unknown, 2 * ms);
  REQUIRE(kinds(changes) == Kinds{Kind::rejected});
  CHECK(changes[0].reason == "not a model file: starts with 7f454c46");
  CHECK_FALSE(detector.watches(reader_of(1)));
  CHECK(detector.on_event(event_at(reader_of(1), Evidence::read_miss, 3 * ms, 9 * mib)).empty());

  detector.on_event(event_at(reader_of(2), Evidence::read_miss, 1 * ms, mib));
  changes =
      detector.on_facts(reader_of(2), Error{ErrorCode::permission, "not readable", {}, 0}, 2 * ms);
  REQUIRE(kinds(changes) == Kinds{Kind::rejected});
  CHECK(changes[0].reason == "could not be inspected: not readable");
}

TEST_CASE("a reader without a mapping becomes a load when its memory grows by half its reads") {
  const Reader reader = reader_of(10);
  Detector detector({2000});
  detector.on_event(event_at(reader, Evidence::read_miss, 1 * ms, mib));
  detector.on_facts(reader, model_facts(false), 2 * ms);
  REQUIRE(detector.wants_sample(reader));
  detector.on_sample(reader, {10 * mib}, 2 * ms);
  CHECK_FALSE(detector.wants_sample(reader));
  detector.on_event(event_at(reader, Evidence::read_miss, 50 * ms, 65 * mib));
  REQUIRE(detector.wants_sample(reader));

  SECTION("it keeps what it reads") {
    CHECK(kinds(detector.on_sample(reader, {43 * mib}, 51 * ms)) == Kinds{Kind::started});
  }
  SECTION("it reads and drops: sha256sum, cp") {
    CHECK(detector.on_sample(reader, {41 * mib}, 51 * ms).empty());
    const auto changes = detector.on_process_gone(reader.process, 60 * ms);
    REQUIRE(kinds(changes) == Kinds{Kind::rejected});
    CHECK(changes[0].reason == "ended without keeping what it read");
  }
  SECTION("it pauses after the header: not helped meanwhile, watched on") {
    REQUIRE(detector.next_deadline_ns() == 2050 * ms);
    CHECK(kinds(detector.on_timer(2050 * ms)) == Kinds{Kind::dormant});
    CHECK_FALSE(detector.next_deadline_ns());
    CHECK(kinds(detector.on_event(event_at(reader, Evidence::read_miss, 9000 * ms, 73 * mib))) ==
          Kinds{Kind::recognised});
  }
}

TEST_CASE("a load finishes when all bytes are in, also those that no event told of") {
  const Reader reader = reader_of(10);
  Detector detector = loading_detector(reader);
  CHECK(kinds(detector.on_event(event_at(reader, Evidence::read_miss, 500 * ms, 505 * mib))) ==
        Kinds{Kind::progress});
  // Less than a step is missing: looked at soon, and only once.
  CHECK(detector.next_deadline_ns() == 550 * ms);
  SECTION("the count was ahead of the events") {
    CHECK(kinds(detector.on_bytes(reader, size, 550 * ms)) == Kinds{Kind::progress});
    CHECK(kinds(detector.on_timer(550 * ms)) == Kinds{Kind::finished});
    CHECK_FALSE(detector.next_deadline_ns());
  }
  SECTION("it was not") {
    CHECK(detector.on_timer(550 * ms).empty());
    CHECK(detector.next_deadline_ns() == 2500 * ms);
    CHECK(kinds(detector.on_timer(2500 * ms)) == Kinds{Kind::finished});
  }
}

TEST_CASE("a load that stops early is abandoned, and begins again when it reads on") {
  const Reader reader = reader_of(10);
  Detector detector = loading_detector(reader);
  CHECK(detector.on_timer(2003 * ms).empty());
  CHECK(kinds(detector.on_timer(2004 * ms)) == Kinds{Kind::abandoned});
  const auto changes =
      detector.on_event(event_at(reader, Evidence::read_miss, 60000 * ms, 2 * proof));
  CHECK(kinds(changes) == Kinds{Kind::recognised, Kind::started});
}

TEST_CASE("the end of the last process ends the load") {
  const Reader reader = reader_of(10);
  Detector detector = loading_detector(reader);
  SECTION("half way: abandoned") {
    detector.on_event(event_at(reader, Evidence::read_miss, 100 * ms, 200 * mib));
    const auto changes = detector.on_process_gone(reader.process, 101 * ms);
    REQUIRE(kinds(changes) == Kinds{Kind::abandoned});
    REQUIRE(detector.load(1) != nullptr);
    CHECK(detector.load(1)->loaded_bytes == 200 * mib);
  }
  SECTION("all but the last step: finished") {
    detector.on_event(event_at(reader, Evidence::read_miss, 100 * ms, 505 * mib));
    CHECK(kinds(detector.on_process_gone(reader.process, 101 * ms)) == Kinds{Kind::finished});
  }
  CHECK_FALSE(detector.knows(reader.process));
}

TEST_CASE("whoever maps a model for its header alone loads nothing") {
  const Reader reader = reader_of(10);
  Detector detector({2000});
  detector.on_event(event_at(reader, Evidence::mapping, 1 * ms, 0));
  detector.on_facts(reader, model_facts(true), 3 * ms);
  detector.on_event(event_at(reader, Evidence::read_miss, 4 * ms, 8 * mib));
  SECTION("and ends") {
    CHECK(kinds(detector.on_process_gone(reader.process, 5 * ms)) == Kinds{Kind::rejected});
  }
  SECTION("and ends after a pause") {
    CHECK(kinds(detector.on_timer(2004 * ms)) == Kinds{Kind::dormant, Kind::look_again});
    Facts facts = model_facts(true);
    facts.resident_bytes = 8 * mib;
    detector.on_facts(reader, facts, 2005 * ms);
    CHECK(kinds(detector.on_process_gone(reader.process, 3000 * ms)) == Kinds{Kind::rejected});
  }
  SECTION("unless somebody else loads it at that time") {
    const Reader loading = reader_of(20);
    detector.on_event(event_at(loading, Evidence::mapping, 5 * ms, 0));
    detector.on_facts(loading, model_facts(true), 6 * ms);
    detector.on_event(event_at(loading, Evidence::read_miss, 7 * ms, proof));
    CHECK(kinds(detector.on_event(event_at(reader, Evidence::read_miss, 8 * ms, 16 * mib - 1))) ==
          Kinds{Kind::joined});
  }
}

TEST_CASE("processes and shards of one model are one load") {
  const Reader first = reader_of(10, 7);
  Detector detector = loading_detector(first);

  // Another rank maps the same file: its pages are cached by the first, it has no misses.
  const Reader rank = reader_of(11, 7);
  detector.on_event(event_at(rank, Evidence::mapping, 10 * ms, 0));
  auto changes = detector.on_facts(rank, model_facts(true), 11 * ms);
  REQUIRE(kinds(changes) == Kinds{Kind::recognised, Kind::joined});
  CHECK(changes[1].load == 1);
  CHECK(detector.load(1)->total_bytes == size);

  // The next shard, opened by the first process.
  const Reader shard = reader_of(10, 8);
  Facts facts = model_facts(true);
  facts.path = "/m/model-00002-of-00002.safetensors";
  facts.model_bytes = 2 * size;
  facts.shards = 2;
  detector.on_event(event_at(shard, Evidence::mapping, 20 * ms, 0));
  changes = detector.on_facts(shard, facts, 21 * ms);
  REQUIRE(kinds(changes) == Kinds{Kind::recognised, Kind::joined});
  CHECK(detector.load(1)->total_bytes == 2 * size);
  CHECK(detector.load(1)->processes.size() == 2);

  // Both ranks' misses of one file never count for more than the file.
  detector.on_event(event_at(first, Evidence::read_miss, 30 * ms, 400 * mib));
  detector.on_event(event_at(rank, Evidence::read_miss, 31 * ms, 300 * mib));
  CHECK(detector.load(1)->loaded_bytes == size);
}

TEST_CASE("what was cached before counts as loaded") {
  const Reader reader = reader_of(10);
  Detector detector({2000});
  detector.on_event(event_at(reader, Evidence::mapping, 1 * ms, 0));
  Facts facts = model_facts(true);
  facts.resident_bytes = 256 * mib;
  detector.on_facts(reader, facts, 3 * ms);
  detector.on_event(event_at(reader, Evidence::read_miss, 4 * ms, 16 * mib));
  CHECK(detector.load(1)->loaded_bytes == 272 * mib);
}

TEST_CASE("a cancelled load is not taken up again") {
  const Reader reader = reader_of(10);
  Detector detector = loading_detector(reader);
  CHECK(kinds(detector.cancel(1, 5 * ms)) == Kinds{Kind::abandoned});
  CHECK(detector.cancel(1, 6 * ms).empty());
  CHECK(detector.on_event(event_at(reader, Evidence::read_miss, 7 * ms, 20 * mib)).empty());
}

TEST_CASE("ten thousand readers do not make it grow without bound") {
  Detector detector({2000});
  size_t suspected = 0;
  for (pid_t pid = 1; pid <= 10000; ++pid) {
    suspected += detector.on_event(event_at(reader_of(pid), Evidence::mapping, 1 * ms, 0)).size();
  }
  CHECK(suspected == Detector::max_suspects);
  // Rejected ones make room.
  detector.on_facts(reader_of(5), Facts{}, 2 * ms);
  CHECK(detector.on_event(event_at(reader_of(20000), Evidence::mapping, 3 * ms, 0)).size() == 1);
}

TEST_CASE("those that nobody could look at make room, and that is told") {
  Detector detector({2000});
  const Error busy{ErrorCode::limit_exceeded, "too many inspections wait", {}, 0};
  for (pid_t pid = 1; pid <= static_cast<pid_t>(Detector::max_suspects); ++pid) {
    detector.on_event(event_at(reader_of(pid), Evidence::mapping, 1 * ms, 0));
    detector.on_facts(reader_of(pid), busy, 2 * ms);
  }
  const Reader late = reader_of(20000);
  const auto changes = detector.on_event(event_at(late, Evidence::mapping, 3 * ms, 0));
  REQUIRE(kinds(changes) == Kinds{Kind::suspected, Kind::forgotten});
  CHECK(changes[0].reader == late);
  CHECK_FALSE(detector.watches(changes[1].reader));
  CHECK(detector.latest(changes[1].reader) == nullptr);
  REQUIRE(detector.latest(late) != nullptr);
  CHECK(detector.latest(late)->time_ns == 3 * ms);
  // The next event brings it back.
  CHECK(kinds(detector.on_event(event_at(changes[1].reader, Evidence::mapping, 4 * ms, 0))) ==
        Kinds{Kind::suspected, Kind::forgotten});
}

TEST_CASE("a sampled reader is the one that a probe told of") {
  Detector detector({2000});
  const Reader known{{42, 1'003'000'000}, {254, 1, 7}};
  detector.on_event(event_at(known, Evidence::mapping, 1 * ms, 0));
  const auto sampled = [](pid_t pid, uint64_t start_ns, FileId file) {
    return Reader{{pid, start_ns}, file};
  };
  CHECK(detector.known_reader(sampled(42, 1'000'000'000, {254, 1, 7})) == known);
  CHECK(detector.known_reader(sampled(42, 1'000'000'000, {0, 40, 7})) == known);  // overlayfs
  for (const Reader& other :
       {sampled(42, 1'000'000'000, {254, 2, 7}), sampled(42, 1'000'000'000, {254, 1, 8}),
        sampled(42, 990'000'000, {254, 1, 7}), sampled(42, 1'010'000'000, {254, 1, 7}),
        sampled(43, 1'000'000'000, {254, 1, 7})}) {
    CHECK(detector.known_reader(other) == other);
  }
}
