// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/prefetch/pace.h"

#include "tests/catch.h"

using namespace tuneshift;

namespace {

constexpr uint64_t ms = 1'000'000;
constexpr uint64_t step = 128 << 10;

void answer(Pace& pace, unsigned times, uint64_t ns) {
  for (unsigned i = 0; i < times; ++i) pace.answered(ns);
}

// Between two requests, in units of 10 µs.
uint64_t interval(Pace& pace) {
  static uint64_t now_ns = 1000 * ms;
  now_ns += 1000 * ms;
  // The first one counts as late.
  pace.asked(step, now_ns);
  pace.asked(step, now_ns);
  return pace.wait_us(now_ns) / 10;
}

}  // namespace

TEST_CASE("requests are spaced evenly once it is known how quick one is") {
  Pace pace(step);
  CHECK_FALSE(pace.is_known());
  CHECK(interval(pace) == 0);
  answer(pace, 2, 2 * ms);
  CHECK_FALSE(pace.is_known());
  answer(pace, 1, 2 * ms);
  REQUIRE(pace.is_known());
  CHECK(interval(pace) == 50);  // 4 in 2 ms
  pace.asked(step, 9000 * ms);
  CHECK(pace.wait_us(9000 * ms) <= 1);
  pace.asked(step, 9000 * ms);
  pace.asked(step, 9000 * ms + 500'000);
  CHECK(pace.wait_us(9000 * ms + 500'000) / 10 == 50);
}

TEST_CASE("a worker that was held up does not make up for all of it at once") {
  Pace pace(step);
  answer(pace, 3, 2 * ms);
  pace.asked(step, 200 * ms);
  pace.asked(step, 300 * ms);
  pace.asked(step, 300 * ms);
  CHECK(pace.wait_us(300 * ms) / 10 == 50);
}

TEST_CASE("as long as they are as quick as alone more are asked for, to a bound") {
  Pace pace(step);
  answer(pace, 50, 2 * ms);
  CHECK(interval(pace) == 25);  // 8 in 2 ms
}

TEST_CASE("where they queue fewer are asked for, to two at a time") {
  Pace pace(step);
  answer(pace, 5, 2 * ms);
  answer(pace, 8, 4 * ms);
  CHECK(interval(pace) > 50);
  answer(pace, 20, 4 * ms);
  CHECK(interval(pace) == 100);
  answer(pace, 50, 2 * ms);
  CHECK(interval(pace) == 25);
}

TEST_CASE("neither what was cached nor a busy moment tells anything") {
  Pace pace(step);
  answer(pace, 9, 10'000);
  CHECK_FALSE(pace.is_known());
  answer(pace, 10, 2 * ms);
  answer(pace, 2, 300'000);  // cached for the most part
  const uint64_t before = interval(pace);
  answer(pace, 2, 30 * ms);
  CHECK(interval(pace) <= before);
}

TEST_CASE("where all answers are quick not each is timed for ever") {
  Pace pace(step);
  answer(pace, 16, 10'000);
  REQUIRE(pace.is_known());
  CHECK(interval(pace) == 5);  // 4 in 0.2 ms
  answer(pace, 20, 2 * ms);
  CHECK(interval(pace) == 25);
}
