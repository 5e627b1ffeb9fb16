// SPDX-License-Identifier: LGPL-2.1-or-later
// What the daemon hears of its workers. One is a script here that says what the test wants.
#include "daemon/prefetcher.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <vector>

#include "daemon/loop.h"
#include "daemon/prefetch_protocol.h"
#include "tests/catch.h"
#include "tests/unit/kernel_tree.h"

using namespace tuneshift;
using namespace tuneshift::test;

namespace {

// Ends with the budget unread.
constexpr char last_word[] = R"(#!/usr/bin/env python3
import os, select
os.read(0, 1024)
select.select([0], [], [])
with open(os.path.dirname(__file__) + "/word", "rb") as word:
    os.write(0, word.read())
)";

}  // namespace

TEST_CASE("the last word of a worker counts also when it had a budget unread", "[prefetcher]") {
  PrefetchProgress word;
  word.ended = true;
  word.fetched_bytes = 4096;
  KernelTree tree{file("worker", last_word), file("word", format_prefetch_progress(word))};
  const std::string worker = tree.root() + "/worker";
  REQUIRE(chmod(worker.c_str(), 0700) == 0);

  Loop loop;
  std::vector<PrefetchProgress> heard;
  Prefetcher prefetcher(loop.get(), worker, {}, [&](const FileId&, const PrefetchProgress& said) {
    heard.push_back(said);
  });
  PrefetchOrder order;
  order.reader = {{1, 1}, {8, 0, 42}};
  order.file_size = 1 << 20;
  REQUIRE(prefetcher.start(order, {0}).ok());
  prefetcher.allow(order.reader.file, {4096});
  siginfo_t ended{};
  REQUIRE(waitid(P_ALL, 0, &ended, WEXITED | WNOWAIT) == 0);
  while (heard.empty()) REQUIRE(sd_event_run(loop.get(), UINT64_MAX) >= 0);
  REQUIRE(heard.size() == 1);
  CHECK(heard[0].ended);
  CHECK(heard[0].fetched_bytes == 4096);
  CHECK(heard[0].trouble.empty());
}
