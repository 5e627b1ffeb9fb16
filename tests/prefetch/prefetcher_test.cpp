// SPDX-License-Identifier: LGPL-2.1-or-later
// What is said between daemon and worker, and workers that are other programs.
#include "daemon/prefetch_protocol.h"
#include "tests/catch.h"
#include "tests/prefetch/fetching.h"

using namespace tuneshift;
using namespace tuneshift::testing;

namespace {

// Reads its standard input, our socket, until the end that never comes.
constexpr const char* silent = "/usr/bin/sort";

PrefetchOrder order_on(uint64_t inode) {
  PrefetchOrder order;
  order.reader = {{1, 1}, {8, 0, inode}};
  order.file_size = 100 * mib;
  return order;
}

}  // namespace

TEST_CASE("an order arrives as it was given") {
  PrefetchTask task;
  task.order = {.reader = {{4711, 12345}, {8, 3, 99}},
                .file_size = 10 * mib,
                .start_bytes = 8 * mib,
                .way = PrefetchOrder::Way::mapping,
                .account = PrefetchOrder::Account::daemon,
                .step_bytes = 4 * mib,
                .unit_bytes = 128 << 10};
  task.permit = {7 * mib, true};
  const auto got = parse_prefetch_task(format_prefetch_task(task));
  REQUIRE(got.ok());
  const PrefetchOrder& order = got.value().order;
  CHECK(order.reader == task.order.reader);
  CHECK(order.file_size == 10 * mib);
  CHECK(order.start_bytes == 8 * mib);
  CHECK(order.way == PrefetchOrder::Way::mapping);
  CHECK(order.account == PrefetchOrder::Account::daemon);
  CHECK(order.step_bytes == 4 * mib);
  CHECK(order.unit_bytes == 128 << 10);
  CHECK(got.value().permit == task.permit);

  std::string packet = format_prefetch_task(task);
  CHECK_FALSE(parse_prefetch_task(packet + "x").ok());
  CHECK_FALSE(parse_prefetch_task(packet.substr(1)).ok());
  packet[0] = 77;
  CHECK_FALSE(parse_prefetch_task(packet).ok());
}

TEST_CASE("a permit arrives as it was given") {
  const PrefetchPermit permit{7 * mib, GENERATE(true, false)};
  std::string packet = format_prefetch_permit(permit);
  const auto got = parse_prefetch_permit(packet);
  REQUIRE(got.ok());
  CHECK(got.value() == permit);
  CHECK_FALSE(parse_prefetch_permit(packet + "x").ok());
  CHECK_FALSE(parse_prefetch_permit("").ok());
  packet[0] = 77;
  CHECK_FALSE(parse_prefetch_permit(packet).ok());
}

TEST_CASE("a worker's report is believed as far as it can be true") {
  PrefetchProgress progress{5 * mib, true, "fadvise", "the file has become shorter", 1234};
  const std::string packet = format_prefetch_progress(progress);
  const auto got = parse_prefetch_progress(packet, 10 * mib);
  REQUIRE(got.ok());
  CHECK(got.value().fetched_bytes == 5 * mib);
  CHECK(got.value().ended);
  CHECK(got.value().engine == "fadvise");
  CHECK(got.value().trouble == progress.trouble);
  CHECK(got.value().cpu_us == 1234);

  CHECK_FALSE(parse_prefetch_progress(packet, 4 * mib).ok());
  CHECK_FALSE(parse_prefetch_progress("", 10 * mib).ok());
  CHECK_FALSE(parse_prefetch_progress(packet + "x", 10 * mib).ok());
  CHECK_FALSE(parse_prefetch_progress(packet.substr(1), 10 * mib).ok());
  for (size_t i = 0; i < packet.size(); ++i) {
    std::string other = packet;
    other[i] = '\x1b';
    const auto parsed = parse_prefetch_progress(other, 10 * mib);
    if (!parsed.ok()) continue;
    CHECK(parsed.value().fetched_bytes <= 10 * mib);
    CHECK((parsed.value().engine + parsed.value().trouble).find('\x1b') == std::string::npos);
  }
  progress.trouble = std::string(10000, 'x');
  CHECK(parse_prefetch_progress(format_prefetch_progress(progress), 10 * mib).ok());
}

TEST_CASE("workers are limited, one a file, and stopped ones count until they are gone") {
  Fetching fetching({2}, silent);
  Prefetcher& prefetcher = fetching.prefetcher();
  REQUIRE(prefetcher.start(order_on(1), {mib}).ok());
  REQUIRE(prefetcher.start(order_on(1), {mib}).ok());
  REQUIRE(prefetcher.start(order_on(2), {mib}).ok());
  const Status third = prefetcher.start(order_on(3), {mib});
  REQUIRE_FALSE(third.ok());
  CHECK(third.error().code == ErrorCode::limit_exceeded);
  CHECK(prefetcher.runs({8, 0, 2}));
  CHECK_FALSE(prefetcher.runs({8, 0, 3}));
  prefetcher.stop({8, 0, 1});
  CHECK_FALSE(prefetcher.start(order_on(3), {mib}).ok());
  fetching.run_until([&] { return prefetcher.start(order_on(3), {mib}).ok(); });
  CHECK(fetching.words == 0);
}

TEST_CASE("a store keeps some workers at most, and so does a user") {
  Fetching fetching({8, 2, 3}, silent);
  Prefetcher& prefetcher = fetching.prefetcher();
  PrefetchOrder order = order_on(1);
  REQUIRE(prefetcher.start(order, {mib}).ok());
  order.reader.file.inode = 2;
  REQUIRE(prefetcher.start(order, {mib}).ok());
  order.reader.file.inode = 3;
  CHECK(prefetcher.start(order, {mib}).error().message ==
        "too many files of its store are read ahead");
  order.reader.file.device_minor = 1;
  REQUIRE(prefetcher.start(order, {mib}).ok());
  order.reader.file.inode = 4;
  CHECK(prefetcher.start(order, {mib}).error().message ==
        "too many files are read ahead for its user");
  order.uid = 65534;
  CHECK(prefetcher.start(order, {mib}).ok());
}

TEST_CASE("a worker that ends without a word, or cannot be started, is trouble") {
  {
    Fetching fetching({16}, "/bin/false");
    CHECK(fetching.fetch(order_on(1)).trouble == "the worker ended early: status 1");
  }
  Fetching fetching({16}, "/nonexistent/tuneshift-prefetch");
  const Status started = fetching.prefetcher().start(order_on(1), {mib});
  REQUIRE_FALSE(started.ok());
  CHECK(started.error().code == ErrorCode::io);
}

TEST_CASE("an order that no worker would take starts none") {
  Fetching fetching;
  PrefetchOrder order = order_on(1);
  SECTION("step") {
    order.step_bytes = 0;
  }
  SECTION("size") {
    order.file_size = 0;
  }
  SECTION("start behind the end") {
    order.start_bytes = order.file_size = 100 * mib;
  }
  SECTION("start within a piece") {
    order.start_bytes = 4711;
  }
  SECTION("process") {
    order.reader.process.pid = 0;
  }
  const Status started = fetching.prefetcher().start(order, {mib});
  REQUIRE_FALSE(started.ok());
  CHECK(started.error().code == ErrorCode::invalid_argument);
}
