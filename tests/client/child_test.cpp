// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/child.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "tests/catch.h"

using namespace tuneshift;

namespace {

sigset_t present_mask() {
  sigset_t mask;
  sigprocmask(SIG_SETMASK, nullptr, &mask);
  return mask;
}

int status_of(const std::vector<std::string>& command, const sigset_t& mask) {
  const auto child = start_command(command, mask);
  return child.ok() ? reap(child.value()) : -1;
}

}  // namespace

TEST_CASE("A command's exit status is passed on", "[child]") {
  CHECK(status_of({"true"}, present_mask()) == 0);
  CHECK(status_of({"sh", "-c", "exit 7"}, present_mask()) == 7);
  CHECK(status_of({"sh", "-c", "kill -TERM $$"}, present_mask()) == 128 + SIGTERM);
  CHECK(status_of({"sh", "-c", "test \"$1\" = 'a b;c'", "sh", "a b;c"}, present_mask()) == 0);
}

TEST_CASE("A command that cannot be run says why", "[child]") {
  CHECK(start_command({"/no/such/command"}, present_mask()).error().errno_value == ENOENT);
  CHECK(start_command({"/"}, present_mask()).error().errno_value == EACCES);
}

TEST_CASE("A pidfd is of a process that lives", "[child]") {
  CHECK(open_pidfd(getpid()).ok());
  const auto child = start_command({"true"}, present_mask());
  REQUIRE(child.ok());
  CHECK(reap(child.value()) == 0);
  CHECK(open_pidfd(child.value()).error().code == ErrorCode::not_found);
}

TEST_CASE("Termination is a descriptor, and children start without the block", "[child]") {
  const sigset_t before = present_mask();
  const auto signals = TerminationSignals::block();
  REQUIRE(signals.ok());
  bool by_terminal = true;
  CHECK(signals.value().next(by_terminal) == 0);
  kill(getpid(), SIGTERM);
  pollfd polled = {.fd = signals.value().fd(), .events = POLLIN, .revents = 0};
  CHECK(poll(&polled, 1, 10000) == 1);
  CHECK(signals.value().next(by_terminal) == SIGTERM);
  CHECK_FALSE(by_terminal);
  CHECK(status_of({"sh", "-c", "kill -TERM $$; exit 1"}, signals.value().mask_before()) ==
        128 + SIGTERM);
  sigprocmask(SIG_SETMASK, &before, nullptr);
}
