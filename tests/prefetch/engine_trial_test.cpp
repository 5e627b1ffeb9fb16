// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/prefetch/engine_trial.h"

#include "tests/catch.h"

using namespace tuneshift;

namespace {

constexpr uint64_t mib = 1 << 20;
constexpr uint64_t ms = 1'000'000;

// A worker that has read so much so far.
struct Worker {
  EngineTrial trial;
  EngineTrial::Spent spent;

  void reads(uint64_t bytes, uint64_t ns, uint64_t cpu_ns, bool at_end, uint64_t from_store) {
    spent.arrived_bytes += bytes;
    spent.submitted_bytes += from_store;
    spent.ns += ns;
    spent.cpu_ns += cpu_ns;
    trial.look(spent, at_end);
  }
  void reads(uint64_t bytes, uint64_t ns, uint64_t cpu_ns, bool at_end) {
    reads(bytes, ns, cpu_ns, at_end, bytes);
  }
  // 64 MiB by WILLNEED, at 2 GiB/s.
  void reads_by_willneed() {
    reads(0, 0, 0, true);
    reads(32 * mib, 16 * ms, 8 * ms, false);
    reads(32 * mib, 16 * ms, 8 * ms, true);
  }
};

}  // namespace

TEST_CASE("the huge mapping is taken where it is as quick and takes less CPU") {
  Worker worker;
  worker.reads_by_willneed();
  REQUIRE(worker.trial.wants_huge());
  REQUIRE_FALSE(worker.trial.is_huge());
  worker.reads(48 * mib, 25 * ms, 4 * ms, true);
  CHECK_FALSE(worker.trial.is_huge());
  worker.reads(16 * mib, 9 * ms, 1 * ms, true);
  CHECK(worker.trial.is_huge());
  CHECK(worker.trial.wants_huge());
}

TEST_CASE("WILLNEED stays where the huge mapping is slower, or takes more CPU") {
  Worker worker;
  worker.reads_by_willneed();
  SECTION("slower") {
    worker.reads(64 * mib, 37 * ms, 4 * ms, true);
  }
  SECTION("so slow that less of it tells") {
    worker.reads(16 * mib, 40 * ms, 1 * ms, true);
  }
  SECTION("more CPU") {
    worker.reads(64 * mib, 32 * ms, 17 * ms, true);
  }
  SECTION("it could not be read so") {
    worker.trial.give_up();
  }
  CHECK(worker.trial.is_over());
  CHECK_FALSE(worker.trial.wants_huge());
  CHECK_FALSE(worker.trial.wants_end());
}

TEST_CASE("a slow store is not tried, and keeps as much in flight as before") {
  Worker worker;
  worker.reads(0, 0, 0, true);
  CHECK_FALSE(worker.trial.wants_end());
  worker.reads(32 * mib, 135 * ms, 8 * ms, false);
  CHECK(worker.trial.is_over());
  CHECK_FALSE(worker.trial.wants_end());
}

TEST_CASE("nothing is in flight when one way gives place to the other") {
  Worker worker;
  // The first request was timed alone and ends anywhere.
  worker.reads(128 << 10, ms, ms, false);
  CHECK(worker.trial.wants_end());
  worker.reads(0, 0, 0, true);
  CHECK_FALSE(worker.trial.wants_end());
  worker.reads(32 * mib, 16 * ms, 8 * ms, false);
  CHECK(worker.trial.wants_end());
  CHECK_FALSE(worker.trial.wants_huge());
  worker.reads(20 * mib, 10 * ms, 5 * ms, false);
  CHECK_FALSE(worker.trial.wants_huge());
  worker.reads(12 * mib, 6 * ms, 3 * ms, true);
  CHECK(worker.trial.wants_huge());
}

TEST_CASE("what was cached tells nothing of the store: it is tried again, a few times") {
  Worker worker;
  const auto try_cached = [&] {
    worker.reads(0, 0, 0, true);
    worker.reads(32 * mib, 1 * ms, 1 * ms, false, 0);
    worker.reads(32 * mib, 1 * ms, 1 * ms, true, 32 * mib);
  };
  const bool is_willneed = GENERATE(true, false);
  if (is_willneed) {
    try_cached();
  } else {
    worker.reads_by_willneed();
    worker.reads(64 * mib, 1 * ms, 1 * ms, true, 47 * mib);
  }
  CHECK_FALSE(worker.trial.is_huge());
  REQUIRE_FALSE(worker.trial.is_over());
  SECTION("it was cold then") {
    worker.reads_by_willneed();
    worker.reads(64 * mib, 32 * ms, 4 * ms, true);
    CHECK(worker.trial.is_huge());
  }
  SECTION("it always was cached") {
    for (unsigned i = 0; i < 3; ++i) {
      REQUIRE_FALSE(worker.trial.is_over());
      try_cached();
    }
    CHECK(worker.trial.is_over());
  }
}

TEST_CASE("a huge mapping that becomes much slower is tried against WILLNEED again") {
  Worker worker;
  worker.reads_by_willneed();
  worker.reads(64 * mib, 32 * ms, 4 * ms, true);
  REQUIRE(worker.trial.is_huge());
  worker.reads(64 * mib, 60 * ms, 4 * ms, true);
  CHECK(worker.trial.is_huge());
  worker.reads(64 * mib, 70 * ms, 4 * ms, true);
  CHECK_FALSE(worker.trial.is_huge());
  CHECK_FALSE(worker.trial.is_over());
}

TEST_CASE("a wait for the daemon begins the trial anew, and changes nothing after it") {
  Worker worker;
  worker.reads_by_willneed();
  worker.trial.paused();
  CHECK_FALSE(worker.trial.wants_huge());
  worker.spent.ns += 5000 * ms;
  worker.reads_by_willneed();
  worker.reads(64 * mib, 32 * ms, 4 * ms, true);
  REQUIRE(worker.trial.is_huge());
  worker.trial.paused();
  CHECK_FALSE(worker.trial.wants_huge());
  CHECK(worker.trial.wants_end());
  worker.reads(64 * mib, 5000 * ms, 4 * ms, true);
  CHECK(worker.trial.is_huge());
  worker.reads(64 * mib, 32 * ms, 4 * ms, true);
  CHECK(worker.trial.is_huge());
}
