// SPDX-License-Identifier: LGPL-2.1-or-later
// Not run by default: inspect_tests "[.latency]" prints how long an answer takes.
#include <fcntl.h>

#include <algorithm>
#include <chrono>
#include <iostream>

#include "tests/catch.h"
#include "tests/inspect/asking.h"
#include "tests/inspect/readers.h"

using namespace tuneshift;
using namespace tuneshift::testing;

TEST_CASE("from question to facts", "[.latency]") {
  Scratch scratch;
  const std::string path = scratch.file("a.safetensors", safetensors_header(), 2ULL << 30);
  Process process([&] { return open(path.c_str(), O_RDONLY) >= 0; });
  const Reader reader = reader_of(process, path);
  Asking asking;
  std::vector<double> times_ms;
  for (int i = 0; i < 101; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    REQUIRE(asking.facts(reader).ok());
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    times_ms.push_back(took.count());
  }
  std::sort(times_ms.begin(), times_ms.end());
  std::cout << "spawn to facts, 101 times: median " << times_ms[50] << " ms, 90th percentile "
            << times_ms[90] << " ms, most " << times_ms[100] << " ms\n";
}
