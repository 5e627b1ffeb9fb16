// SPDX-License-Identifier: LGPL-2.1-or-later
// Queue, deadline and failures, with helpers that are other programs.
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "daemon/helper/sandbox.h"
#include "daemon/inspect/system_calls.h"
#include "tests/catch.h"
#include "tests/inspect/asking.h"
#include "tests/inspect/readers.h"

using namespace tuneshift;
using namespace tuneshift::testing;

namespace {

// Reads its standard input, our socket, until the end that never comes.
constexpr const char* silent = "/usr/bin/sort";

Reader reader_on(uint32_t device) {
  return {{1, 1}, {device, 0, 1}};
}

size_t count(const Asking& asking, ErrorCode code) {
  size_t found = 0;
  for (const auto& answer : asking.answers) {
    if (!answer.second.ok() && answer.second.error().code == code) ++found;
  }
  return found;
}

// Returns once so many children have ended; they are left for the inspector to reap.
void wait_for_zombies(size_t wanted) {
  size_t found = 0;
  while (found < wanted) {
    found = 0;
    std::ifstream children("/proc/thread-self/children");
    for (std::string pid; children >> pid;) {
      std::ifstream file("/proc/" + pid + "/stat");
      const std::string stat{std::istreambuf_iterator<char>(file), {}};
      if (stat.find(") Z ") != std::string::npos) ++found;
    }
  }
}

}  // namespace

TEST_CASE("a silent helper is answered for at its deadline, and so are those behind it") {
  Asking asking({50, 8, 256}, silent);
  for (int i = 0; i < 5; ++i) asking.ask(reader_on(1));
  asking.ask(reader_on(2));
  CHECK(asking.answers.empty());
  asking.wait_for(6);
  CHECK(count(asking, ErrorCode::timeout) == 6);
}

TEST_CASE("requests beyond the queue are refused, the others answered once each") {
  Asking asking({50, 2, 3}, silent);
  for (uint32_t device = 0; device < 9; ++device) asking.ask(reader_on(device));
  CHECK(asking.answers.empty());
  asking.wait_for(9);
  CHECK(count(asking, ErrorCode::limit_exceeded) == 4);
  CHECK(count(asking, ErrorCode::timeout) == 5);
}

TEST_CASE("a helper that dies without a word is an io error that says how") {
  Asking asking({5000, 8, 256}, "/bin/false");
  const auto result = asking.facts(reader_on(1));
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().code == ErrorCode::io);
  CHECK(result.error().message == "the inspector ended without an answer: status 1");
}

TEST_CASE("a missing helper is an io error, not a missing reader") {
  Asking asking({5000, 8, 256}, "/nonexistent/tuneshift-inspect");
  const auto result = asking.facts(reader_on(1));
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().code == ErrorCode::io);
}

TEST_CASE(
    "answers that came while we were held up past their deadlines are none of a silent helper") {
  Asking asking({1, 8, 256});
  for (uint32_t device = 0; device < 8; ++device) asking.ask(reader_on(device + 1));
  wait_for_zombies(8);
  asking.wait_for(8);
  CHECK(count(asking, ErrorCode::not_found) == 8);
}

TEST_CASE("destruction ends the helpers that run") {
  {
    Asking asking({60000, 8, 256}, silent);
    asking.ask(reader_on(1));
  }
  // Killed; what destruction could not reap yet is reaped here.
  while (waitpid(-1, nullptr, 0) > 0) {
  }
  CHECK(errno == ECHILD);
}

TEST_CASE("the sandbox kills on a system call that is not on its list") {
#if !defined(__SANITIZE_ADDRESS__)
  const pid_t pid = fork();
  if (pid == 0) {
    if (!become({65534, 65534, {}, false}, 5).ok()) _exit(1);
    // Nothing is left to come back with.
    if (setuid(0) == 0 || setgid(0) == 0 || prctl(PR_GET_DUMPABLE) != 0 ||
        prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) {
      _exit(2);
    }
    if (!restrict_system_calls().ok()) _exit(3);
    getppid();
    _exit(4);
  }
  int status = 0;
  REQUIRE(waitpid(pid, &status, 0) == pid);
  INFO(status);
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGSYS);
#endif
}
