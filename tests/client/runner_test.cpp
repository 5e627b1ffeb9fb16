// SPDX-License-Identifier: LGPL-2.1-or-later
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <utility>

#include "client/compare/runner.h"
#include "tests/catch.h"

using namespace tuneshift;

namespace {

/// SIGINT and SIGTERM are blocked for as long as it lives.
struct Fixture {
  int renewed = 0;
  Status renewal;
  sigset_t before{};
  Runner runner;

  Fixture() : runner(block(), [this] { return ++renewed, renewal; }) {}
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;
  ~Fixture() { sigprocmask(SIG_SETMASK, &before, nullptr); }

  TerminationSignals block() {
    auto stop = TerminationSignals::block();
    REQUIRE(stop.ok());
    before = stop.value().mask_before();
    return std::move(stop.value());
  }
};

}  // namespace

TEST_CASE("a program that ran has its status, its time and its output") {
  Fixture fixture;
  const auto ran = fixture.runner.run({"sh", "-c", "echo out; echo error >&2; exit 3"});
  REQUIRE(ran.ok());
  CHECK(ran.value().status == 3);
  CHECK(ran.value().ms > 0);
  CHECK(ran.value().output == "out\nerror\n");
  CHECK(fixture.runner.last_pid() > 0);
  CHECK(fixture.renewed == 1);
  CHECK(fixture.runner.run_silently({"sh", "-c", "echo out"}).value().output.empty());
  CHECK(fixture.renewed == 2);
  CHECK(fixture.runner.run({"tuneshift-no-such-program"}).error().errno_value == ENOENT);
}

TEST_CASE("nothing is run without the renewal") {
  Fixture fixture;
  fixture.renewal = Error{ErrorCode::permission, "no", {}, 0};
  CHECK(fixture.runner.run({"true"}).error().message == "no");
  CHECK(fixture.runner.last_pid() == 0);
}

TEST_CASE("a signal kills the program that runs") {
  Fixture fixture;
  const int signal = GENERATE(SIGINT, SIGTERM);
  // Blocked here, so that it waits until the program runs.
  REQUIRE(kill(getpid(), signal) == 0);
  const auto start = std::chrono::steady_clock::now();
  const auto ran = fixture.runner.run({"sleep", "1000"});
  REQUIRE_FALSE(ran.ok());
  CHECK(ran.error().errno_value == EINTR);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(100));
  CHECK(kill(fixture.runner.last_pid(), 0) == -1);
}
