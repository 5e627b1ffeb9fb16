// SPDX-License-Identifier: LGPL-2.1-or-later
// Readers that are read ahead of: what was seen to come to them tells, as they miss no longer.
#include "libtune/detector.h"

#include "tests/catch.h"
#include "tests/unit/detector_subjects.h"

using namespace tuneshift;
using namespace tuneshift::test;

TEST_CASE("what came to a suspect that is read ahead of makes it a load as well") {
  const Reader reader = reader_of(10);
  Detector detector({2000});
  detector.on_event(event_at(reader, Evidence::mapping, 1 * ms, 0));
  detector.on_facts(reader, model_facts(true), 3 * ms);
  CHECK(detector.on_consumed(reader, proof - 1, 4 * ms).empty());
  CHECK(kinds(detector.on_consumed(reader, proof, 1500 * ms)) == Kinds{Kind::started});
  CHECK(detector.load(1)->loaded_bytes == proof);
  CHECK(detector.load(1)->readers.front().missed == 0);
  // It counts as a sign of life.
  CHECK(detector.next_deadline_ns() == 3500 * ms);
}

TEST_CASE("what comes of a window that was asked for at once is a sign of life") {
  const Reader reader = reader_of(10);
  Detector detector = loading_detector(reader);
  detector.on_event(event_at(reader, Evidence::read_miss, 400 * ms, 2 * proof));
  CHECK(kinds(detector.on_consumed(reader, proof, 2000 * ms)) == Kinds{Kind::progress});
  CHECK(detector.load(1)->loaded_bytes == 2 * proof);
  CHECK(detector.next_deadline_ns() == 4000 * ms);
  // The same once more is no news.
  CHECK(detector.on_consumed(reader, proof, 3000 * ms).empty());
  CHECK(kinds(detector.on_timer(4000 * ms)) == Kinds{Kind::abandoned});
}

TEST_CASE("a server that was read ahead of loads again when it misses again") {
  const Reader reader = reader_of(10);
  Detector detector = loading_detector(reader);
  CHECK(kinds(detector.on_consumed(reader, size, 500 * ms)) == Kinds{Kind::progress});
  CHECK(kinds(detector.on_timer(500 * ms)) == Kinds{Kind::finished});
  CHECK(detector.on_event(event_at(reader, Evidence::mapping, 9000 * ms, proof)).empty());
  CHECK(kinds(detector.on_event(event_at(reader, Evidence::read_miss, 9001 * ms, 2 * proof))) ==
        Kinds{Kind::suspected});
}

TEST_CASE("what came to a server in its second load counts from there on") {
  const Reader reader = reader_of(10);
  Detector detector = loading_detector(reader);
  detector.on_event(event_at(reader, Evidence::read_miss, 400 * ms, size));
  CHECK(kinds(detector.on_timer(500 * ms)) == Kinds{Kind::finished});
  detector.on_event(event_at(reader, Evidence::mapping, 9000 * ms, size));
  detector.on_event(event_at(reader, Evidence::read_miss, 9001 * ms, size + mib));
  CHECK(detector.bytes_before(reader) == size);
  detector.on_facts(reader, model_facts(true), 9003 * ms);
  CHECK(kinds(detector.on_consumed(reader, proof, 9004 * ms)) == Kinds{Kind::started});
  CHECK(detector.load(2)->loaded_bytes == proof);
}

TEST_CASE("one that stopped early serves once it has taken what was read ahead of it") {
  const Reader reader = reader_of(10);
  Detector detector = loading_detector(reader);
  ProcessSample sample;
  detector.on_sample(reader, sample, 100 * ms);
  detector.on_consumed(reader, 2 * proof, 500 * ms);
  CHECK(kinds(detector.on_timer(2500 * ms)) == Kinds{Kind::abandoned});
  REQUIRE(detector.next_deadline_ns() == 4500 * ms);
  CHECK(kinds(detector.on_timer(4500 * ms)) == Kinds{Kind::look_again});
  Facts facts = model_facts(true);
  facts.resident_bytes = size;
  CHECK(detector.on_facts(reader, facts, 4501 * ms).empty());
  REQUIRE(detector.wants_sample(reader));
  // Not yet: it is looked at again.
  CHECK(detector.on_sample(reader, sample, 4502 * ms).empty());
  CHECK(detector.next_deadline_ns());
  CHECK(kinds(detector.on_timer(*detector.next_deadline_ns())) == Kinds{Kind::look_again});
  detector.on_facts(reader, facts, 9000 * ms);
  sample.file_bytes = size;
  CHECK(kinds(detector.on_sample(reader, sample, 9001 * ms)) == Kinds{Kind::serving});
}

TEST_CASE("one to whom others came first is looked at again all the same") {
  const Reader reader = reader_of(10);
  Detector detector = loading_detector(reader);
  CHECK(detector.on_consumed(reader, 0, 500 * ms).empty());
  CHECK(kinds(detector.on_timer(2004 * ms)) == Kinds{Kind::abandoned});
  CHECK(detector.next_deadline_ns() == 4004 * ms);
}

TEST_CASE("one that stopped early and reads nothing is no load again") {
  const Reader reader = reader_of(10);
  Detector detector = loading_detector(reader);
  detector.on_consumed(reader, 2 * proof, 500 * ms);
  CHECK(kinds(detector.on_timer(2500 * ms)) == Kinds{Kind::abandoned});
  Facts facts = model_facts(true);
  facts.resident_bytes = size / 2;
  unsigned looks = 0;
  for (; detector.next_deadline_ns(); ++looks) {
    REQUIRE(looks < 10);
    const uint64_t now_ns = *detector.next_deadline_ns();
    CHECK(kinds(detector.on_timer(now_ns)) == Kinds{Kind::look_again});
    CHECK(detector.on_facts(reader, facts, now_ns).empty());
  }
  CHECK(looks == Detector::most_warm_looks);
}

TEST_CASE("a load that was cancelled is not looked at again") {
  const Reader reader = reader_of(10);
  Detector detector = loading_detector(reader);
  detector.on_consumed(reader, 2 * proof, 500 * ms);
  CHECK(kinds(detector.cancel(1, 600 * ms)) == Kinds{Kind::abandoned});
  CHECK_FALSE(detector.next_deadline_ns());
  CHECK(detector.on_timer(10000 * ms).empty());
}
