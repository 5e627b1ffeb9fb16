// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/foreign_writes.h"

#include "tests/catch.h"

using namespace tuneshift;

namespace {

constexpr uint64_t ms = 1'000'000;

}  // namespace

TEST_CASE("a written knob is looked at twice") {
  ForeignWrites writes;
  CHECK_FALSE(writes.next_ns());
  writes.on_write("vm.swappiness", "sysctl (pid 7)", 100 * ms);
  CHECK(writes.next_ns() == 120 * ms);
  CHECK(writes.take_due(119 * ms).empty());
  CHECK(writes.take_due(120 * ms) == Writers{{"vm.swappiness", "sysctl (pid 7)"}});
  CHECK(writes.next_ns() == 600 * ms);
  CHECK(writes.take_due(599 * ms).empty());
  CHECK(writes.writers() == Writers{{"vm.swappiness", "sysctl (pid 7)"}});
  CHECK(writes.take_due(600 * ms) == Writers{{"vm.swappiness", "sysctl (pid 7)"}});
  CHECK(writes.writers().empty());
  CHECK_FALSE(writes.next_ns());
}

TEST_CASE("a look waits for the last of several writes, but not for ever") {
  ForeignWrites writes;
  writes.on_write("vm.swappiness", "first", 0);
  writes.on_write("vm.swappiness", "second", 15 * ms);
  CHECK(writes.next_ns() == 35 * ms);
  for (uint64_t now = 20; now <= 300; now += 10) {
    writes.on_write("vm.swappiness", "second", now * ms);
    CHECK(writes.next_ns() <= 200 * ms);
  }
  CHECK(writes.take_due(300 * ms) == Writers{{"vm.swappiness", "second"}});
  // The last write may not have had its effect yet.
  CHECK(writes.next_ns() == 800 * ms);
}

TEST_CASE("a write between the looks begins anew") {
  ForeignWrites writes;
  writes.on_write("vm.swappiness", "first", 0);
  writes.on_write("vm.dirty_ratio", "other", 0);
  CHECK(writes.take_due(20 * ms).size() == 2);
  writes.on_write("vm.swappiness", "second", 400 * ms);
  CHECK(writes.next_ns() == 420 * ms);
  CHECK(writes.take_due(420 * ms) == Writers{{"vm.swappiness", "second"}});
  CHECK(writes.take_due(500 * ms) == Writers{{"vm.dirty_ratio", "other"}});
  CHECK(writes.take_due(900 * ms) == Writers{{"vm.swappiness", "second"}});
  CHECK_FALSE(writes.next_ns());
}
