// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/histogram.h"

#include "tests/catch.h"

using namespace tuneshift;

namespace {

Json buckets(std::initializer_list<uint64_t> counts) {
  Json list = Json::array();
  for (const uint64_t count : counts) list.append(count);
  return list;
}

const Json some = buckets({0, 0, 10, 0, 30, 1, 0});

}  // namespace

TEST_CASE("A percentile is the end of its bucket", "[histogram]") {
  CHECK(percentile_limit(some, 0.2) == 8);
  CHECK(percentile_limit(some, 0.5) == 32);
  CHECK(percentile_limit(some, 0.99) == 64);
  CHECK(percentile_limit(some, 1.0) == 64);
  CHECK(percentile_limit(Json::array(), 0.5) == 0);
  CHECK(percentile_limit(buckets({0, 0}), 0.5) == 0);
  CHECK(percentile_limit(buckets({5}), 0.5) == 2);
}

TEST_CASE("Rows go from the first request to the last", "[histogram]") {
  CHECK(histogram_rows(some).line() ==
        R"([{"from":4,"to":8,"count":10},{"from":8,"to":16,"count":0},)"
        R"({"from":16,"to":32,"count":30},{"from":32,"to":64,"count":1}])");
  CHECK(histogram_rows(Json::array()).line() == "[]");
  CHECK(histogram_rows(buckets({3})).line() == R"([{"from":0,"to":2,"count":3}])");
}

TEST_CASE("Requests of an interval", "[histogram]") {
  CHECK(requests_since(buckets({1, 2, 3}), buckets({1, 5, 4})).line() == "[0,3,1]");
  CHECK(requests_since(Json::array(), buckets({1, 5})).line() == "[1,5]");
  // The daemon was started anew.
  CHECK(requests_since(buckets({9, 0}), buckets({2, 5})).line() == "[2,5]");
  CHECK(requests_since(buckets({9}), Json::array()).line() == "[]");
  CHECK(sum_of(buckets({1, 2}), buckets({3, 4, 5})).line() == "[4,6,5]");
}

TEST_CASE("What goes past the queue waits no time in it", "[histogram]") {
  CHECK(queue_of_all(buckets({0, 0, 0, 4}), buckets({0, 90, 10})).line() == "[96,0,0,4]");
  CHECK(queue_of_all(Json::array(), buckets({0, 90, 10})).line() == "[100]");
  CHECK(queue_of_all(buckets({5}), buckets({4})).line() == "[5]");
}

TEST_CASE("Queue and device beside each other", "[histogram]") {
  const std::string text = render_latency("vda reads", buckets({0, 20, 1}), some, {});
  CHECK(
      text.starts_with("vda reads: 41 requests, half under 32 µs, 99 % under 64 µs; "
                       "21 queued, half under 4 µs, 99 % under 8 µs\n"));
  CHECK(text.find(" FROM     TO  QUEUE                        DEVICE\n") != std::string::npos);
  CHECK(text.find(" 2 µs   4 µs     20  " + std::string(20, '#') + "       0\n") !=
        std::string::npos);
  CHECK(text.find("32 µs  64 µs      0                             1  #\n") != std::string::npos);
  const std::string unqueued = render_latency("vda reads", Json::array(), some, {});
  CHECK(unqueued.find("; 0 queued\n") != std::string::npos);
  CHECK(unqueued.find("QUEUE") == std::string::npos);
  CHECK(unqueued.find("16 µs  32 µs      30  " + std::string(40, '#') + "\n") != std::string::npos);
  CHECK(render_latency("x", Json::array(), Json::array(), {}) == "x: 0 requests\n");
}

TEST_CASE("Sizes of requests", "[histogram]") {
  CHECK(render_sizes("vda", buckets({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}), {}) ==
        "vda: 2 requests, half under 8.00 KiB\n"
        "    FROM        TO  COUNT\n"
        "4.00 KiB  8.00 KiB      2  " +
            std::string(40, '#') + "\n");
  CHECK(render_sizes("x", Json::array(), {}) == "x: 0 requests\n");
}
