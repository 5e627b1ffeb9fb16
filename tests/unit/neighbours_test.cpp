// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/neighbours.h"

#include "tests/catch.h"

using namespace tuneshift;

namespace {

constexpr uint64_t ms = 1'000'000;
constexpr DeviceNumber store{0, 39};

}  // namespace

TEST_CASE("a store is shared while somebody reads from it who is not helped", "[neighbours]") {
  Neighbours neighbours;
  CHECK_FALSE(neighbours.look({{10, store, 900}, {11, {8, 1}, 2}}, {10}, 100 * ms));
  CHECK_FALSE(neighbours.share(store));
  CHECK(neighbours.look({{10, store, 900}, {12, store, 3}}, {10}, 200 * ms));
  CHECK(neighbours.share(store));
  CHECK_FALSE(neighbours.share({8, 1}));
  CHECK_FALSE(neighbours.look({{12, store, 40}}, {10}, 300 * ms));
  // Two more looks have the last one's misses in their sums.
  for (uint64_t now = 400; now < 2500; now += 100) {
    CHECK_FALSE(neighbours.look({}, {10}, now * ms));
    CHECK(neighbours.share(store));
  }
  CHECK(neighbours.look({}, {10}, 2500 * ms));
  CHECK_FALSE(neighbours.share(store));
}

TEST_CASE("few misses a look count together, and those of a program that starts are too few",
          "[neighbours]") {
  Neighbours neighbours;
  CHECK_FALSE(neighbours.look({{12, store, 2}}, {}, 100 * ms));
  CHECK_FALSE(neighbours.look({}, {}, 200 * ms));
  CHECK_FALSE(neighbours.look({}, {}, 300 * ms));
  CHECK_FALSE(neighbours.look({{12, store, 1}}, {}, 400 * ms));
  CHECK_FALSE(neighbours.look({{13, store, 1}}, {}, 500 * ms));
  CHECK(neighbours.look({{12, store, 1}}, {}, 600 * ms));
  neighbours.forget();
  CHECK_FALSE(neighbours.share(store));
  CHECK_FALSE(neighbours.look({{12, store, 2}}, {}, 700 * ms));
}

TEST_CASE("one that was helped a moment ago is nobody else", "[neighbours]") {
  Neighbours neighbours;
  CHECK_FALSE(neighbours.look({{10, store, 900}, {11, store, 900}}, {10, 11}, 100 * ms));
  CHECK_FALSE(neighbours.look({{10, store, 900}, {11, store, 9}}, {10}, 200 * ms));
  CHECK_FALSE(neighbours.look({{10, store, 900}}, {10}, 300 * ms));
  CHECK(neighbours.look({{10, store, 900}, {11, store, 9}}, {10}, 400 * ms));
}

TEST_CASE("a store that is shared again and again stays so for longer", "[neighbours]") {
  Neighbours neighbours;
  uint64_t now = 1000 * ms;
  for (const uint64_t seconds : {2, 4, 8, 16, 32, 64, 64}) {
    CHECK(neighbours.look({{12, store, 9}}, {}, now));
    for (int i = 0; i < 2; ++i) CHECK_FALSE(neighbours.look({}, {}, now));
    CHECK_FALSE(neighbours.look({}, {}, now + seconds * 1000 * ms - 1));
    CHECK(neighbours.share(store));
    now += seconds * 1000 * ms;
    CHECK(neighbours.look({}, {}, now));
    CHECK_FALSE(neighbours.share(store));
  }
}
