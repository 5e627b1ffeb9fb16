// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/prefetch/worth.h"

#include "tests/catch.h"

using namespace tuneshift;

namespace {

constexpr uint64_t mib = 1 << 20;
constexpr uint64_t ms = 1'000'000;
constexpr uint64_t unit = 128 << 10;

}  // namespace

TEST_CASE("a store that answers many requests at once is worth it") {
  Worth worth(unit);
  REQUIRE(worth.wants_unit());
  worth.timed(2 * ms);  // 125 MiB/s for a reader with two windows
  REQUIRE_FALSE(worth.wants_unit());
  CHECK(worth.goes_on(0, 1 * ms));
  CHECK(worth.goes_on(31 * mib, 200 * ms));
  CHECK(worth.goes_on(33 * mib, 201 * ms));  // 165 MiB/s
}

TEST_CASE("a store that is as fast without is not, and says so once") {
  Worth worth(unit);
  worth.timed(2 * ms);
  CHECK(worth.goes_on(0, 1 * ms));
  CHECK_FALSE(worth.goes_on(33 * mib, 301 * ms));  // 110 MiB/s
  CHECK(worth.goes_on(100 * mib, 2000 * ms));
}

TEST_CASE("a wait for the daemon is no slowness of the store") {
  Worth worth(unit);
  worth.timed(2 * ms);
  CHECK(worth.goes_on(0, 1 * ms));
  worth.paused();
  CHECK(worth.goes_on(20 * mib, 5000 * ms));
  CHECK(worth.goes_on(53 * mib, 5100 * ms));
}

TEST_CASE("what was not timed, or is not to be judged, goes on") {
  Worth unjudged(0);
  CHECK_FALSE(unjudged.wants_unit());
  CHECK(unjudged.goes_on(0, 1));
  CHECK(unjudged.goes_on(100 * mib, 100000 * ms));
  Worth untimed(unit);
  CHECK(untimed.goes_on(0, 1));
  CHECK(untimed.goes_on(100 * mib, 100000 * ms));
}
