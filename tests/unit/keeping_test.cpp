// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/keeping.h"

#include "tests/catch.h"

using namespace tuneshift;

namespace {

constexpr uint64_t mib = 1 << 20;
constexpr uint64_t gib = 1 << 30;

ProcessSample sample(uint64_t anonymous, uint64_t file, uint64_t written) {
  ProcessSample one;
  one.anonymous_bytes = anonymous;
  one.file_bytes = file;
  one.written_bytes = written;
  return one;
}

Keeping judge(const ProcessSample& now, uint64_t read_bytes, uint64_t file_bytes = 8 * gib) {
  return judge_keeping(sample(100 * mib, 100 * mib, 100 * mib), now, read_bytes, file_bytes);
}

}  // namespace

TEST_CASE("who keeps half of what it reads is known from 64 MiB on") {
  CHECK(judge(sample(131 * mib, 0, 0), 63 * mib) == Keeping::undecided);
  CHECK(judge(sample(132 * mib, 0, 0), 64 * mib) == Keeping::keeps);
  CHECK(judge(sample(131 * mib, 0, 0), 64 * mib) == Keeping::undecided);
  // Memory that was there before is no growth, and less memory is none either.
  CHECK(judge(sample(50 * mib, 50 * mib, 0), 64 * mib) == Keeping::undecided);
}

TEST_CASE("who writes half of what it reads is a writer, whatever it keeps") {
  CHECK(judge(sample(100 * mib, 100 * mib, 132 * mib), 64 * mib) == Keeping::writes);
  CHECK(judge(sample(900 * mib, 100 * mib, 132 * mib), 64 * mib) == Keeping::writes);
  CHECK(judge(sample(900 * mib, 100 * mib, 131 * mib), 64 * mib) == Keeping::keeps);
}

TEST_CASE("who keeps nothing of a good part passes it on") {
  const ProcessSample nothing = sample(100 * mib, 100 * mib, 100 * mib);
  CHECK(judge(nothing, 255 * mib) == Keeping::undecided);
  CHECK(judge(nothing, 256 * mib) == Keeping::passes_on);
  CHECK(judge(nothing, 150 * mib, 300 * mib) == Keeping::passes_on);
  CHECK(judge(nothing, 149 * mib, 300 * mib) == Keeping::undecided);
  CHECK(judge(nothing, 60 * mib, 100 * mib) == Keeping::undecided);
  CHECK(judge(nothing, 64 * mib, 100 * mib) == Keeping::passes_on);
  // An eighth that stays, in memory or as a mapping, leaves it open.
  CHECK(judge(sample(132 * mib, 100 * mib, 0), 256 * mib) == Keeping::undecided);
  CHECK(judge(sample(100 * mib, 132 * mib, 0), 256 * mib) == Keeping::undecided);
}
