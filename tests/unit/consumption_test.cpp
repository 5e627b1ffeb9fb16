// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/consumption.h"

#include "tests/catch.h"

using namespace tuneshift;

namespace {

Consumption consumption() {
  Consumption one;
  one.at_start.file_bytes = 1000;
  one.at_start.read_bytes = 70;
  one.now.file_bytes = 1300;
  one.now.read_bytes = 90;
  one.missed_bytes = 100;
  one.missed_before = 100;
  one.fetched_bytes = 400;
  one.file_size = 10'000;
  return one;
}

}  // namespace

TEST_CASE("a reader's own figures tell what it consumed", "[consumption]") {
  Consumption one = consumption();
  CHECK(consumed_bytes(one) == 20);
  one.mapped = true;
  CHECK(consumed_bytes(one) == 300);
}

TEST_CASE("no more is consumed than has come", "[consumption]") {
  Consumption one = consumption();
  one.mapped = true;
  one.now.file_bytes = 5000;
  CHECK(consumed_bytes(one) == 500);
  one.fetched_bytes = 9'950;
  one.now.file_bytes = 50'000;
  CHECK(consumed_bytes(one) == 10'000);
  one.missed_bytes = UINT64_MAX;
  one.fetched_bytes = 0;
  CHECK(consumed_bytes(one) == 10'000);
  one.fetched_bytes = UINT64_MAX;
  CHECK(consumed_bytes(one) == 10'000);
}

TEST_CASE("what was told as consumed stays", "[consumption]") {
  Consumption one = consumption();
  one.told_before = 250;
  CHECK(consumed_bytes(one) == 250);
  one.mapped = true;
  CHECK(consumed_bytes(one) == 300);
  one.now.file_bytes = 10;
  CHECK(consumed_bytes(one) == 250);
}

TEST_CASE("where pages are taken from a reader, its misses tell how it goes on", "[consumption]") {
  Consumption one = consumption();
  one.mapped = true;
  one.told_before = 300;
  one.missed_bytes = 150;
  CHECK(consumed_bytes(one) == 350);
  one.now.file_bytes = 1340;
  CHECK(consumed_bytes(one) == 350);
  one.now.file_bytes = 1360;
  CHECK(consumed_bytes(one) == 360);
  one.told_before = 540;
  CHECK(consumed_bytes(one) == 550);
  one.told_before = 600;
  CHECK(consumed_bytes(one) == 600);
  one.missed_before = 200;
  one.told_before = 400;
  CHECK(consumed_bytes(one) == 400);
}
