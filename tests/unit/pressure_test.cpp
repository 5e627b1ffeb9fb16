// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/pressure.h"

#include "tests/catch.h"

using namespace tuneshift;

namespace {

constexpr uint64_t ms = 1'000'000;

}  // namespace

TEST_CASE("the time that processes waited for memory is read", "[pressure]") {
  CHECK(parse_memory_stall_us("some avg10=0.00 avg60=0.50 avg300=0.11 total=12345\n"
                              "full avg10=0.00 avg60=0.00 avg300=0.00 total=77\n") == 12345);
  CHECK(parse_memory_stall_us("full avg10=0.00 avg60=0.00 avg300=0.00 total=77\n") == 0);
  CHECK(parse_memory_stall_us("some avg10=0.00 total=-5\n") == 0);
  CHECK(parse_memory_stall_us("some total=\n") == 0);
  CHECK(parse_memory_stall_us("") == 0);
}

TEST_CASE("memory is short when a tenth of the time was waited for it, and for a second after",
          "[pressure]") {
  MemoryPressure pressure;
  CHECK(pressure.is_due(1000 * ms));
  // What happened before the first look says nothing.
  pressure.look(5'000'000, 1000 * ms);
  CHECK_FALSE(pressure.is_short(1000 * ms));
  CHECK_FALSE(pressure.is_due(1099 * ms));
  pressure.look(5'009'999, 1100 * ms);
  CHECK_FALSE(pressure.is_short(1100 * ms));
  pressure.look(5'020'000, 1200 * ms);
  CHECK(pressure.is_short(1200 * ms));
  pressure.look(5'020'000, 1300 * ms);
  CHECK(pressure.is_short(2199 * ms));
  CHECK_FALSE(pressure.is_short(2200 * ms));
  // Nobody looked for long.
  pressure.look(9'020'000, 9000 * ms);
  CHECK_FALSE(pressure.is_short(9000 * ms));
}
