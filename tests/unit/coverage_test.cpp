// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/coverage.h"

#include "tests/catch.h"

using namespace tuneshift;

namespace {

constexpr uint64_t mib = 1 << 20;
constexpr uint64_t gib = 1 << 30;

}  // namespace

TEST_CASE("each part of a file has a byte of its own, off what a worker touches") {
  for (const uint64_t size : {uint64_t{4096}, 64 * mib, 64 * mib + 100'000, 256 * mib,
                              513 * mib + 7, 4096 * mib, 8 * gib, 16 * gib, 70000 * mib}) {
    CAPTURE(size);
    for (size_t part = 0; part < Coverage::parts(size); ++part) {
      const uint64_t place = Coverage::place(part, size);
      CHECK(place < size);
      if (size < 256 * mib) continue;
      CHECK(place / (size / Coverage::parts(size)) == part);
      // A fault maps 64 KiB around the last byte of 4 MiB, on either side of it.
      CHECK(place % (4 * mib) < 4 * mib - (64 << 10));
      CHECK(place % (4 * mib) >= 64 << 10);
    }
  }
}

TEST_CASE("parts grow with the file, then their number, then they") {
  CHECK(Coverage::parts(1) == 1024);
  CHECK(Coverage::parts(16 * gib) == 1024);
  CHECK(Coverage::parts(100 * gib) == 6400);
  CHECK(Coverage::parts(1024 * gib) == Coverage::most_parts);
}

TEST_CASE("what several have covered counts once") {
  Coverage one;
  Coverage other;
  for (size_t part = 0; part < 600; ++part) one.set(part);
  for (size_t part = 500; part < 1024; ++part) other.set(part);
  CHECK(one.add(other) == 1024 - 600);
  CHECK(one.add(other) == 0);
  CHECK(one.count() == 1024);
  CHECK(one.is_whole(1000 * mib));
  CHECK_FALSE(one.is_whole(100000 * mib));
}

TEST_CASE("all parts are all of the file") {
  CHECK(Coverage::bytes(0, 1000 * mib + 1) == 0);
  CHECK(Coverage::bytes(512, 1024 * mib) == 512 * mib);
  CHECK(Coverage::bytes(1024, 1000 * mib + 1) == 1000 * mib + 1);
  CHECK(Coverage::bytes(3200, 102400 * mib) == 51200 * mib);
}

TEST_CASE("coverage goes through words and back") {
  Coverage coverage;
  for (const size_t part : {size_t{0}, size_t{63}, size_t{64}, Coverage::most_parts - 1}) {
    coverage.set(part);
  }
  CHECK(Coverage::from_words(coverage.words()) == coverage);
  CHECK(Coverage::from_words({}).count() == 0);
  CHECK(Coverage::from_words(std::vector<uint64_t>(1000, ~uint64_t{0})).count() ==
        Coverage::most_parts);
}
