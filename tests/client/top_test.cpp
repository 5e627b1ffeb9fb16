// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/top/model.h"
#include "client/top/sample.h"
#include "client/top/view.h"
#include "client/utf8.h"
#include "tests/catch.h"

using namespace tuneshift;
using namespace tuneshift::top;

namespace {

constexpr uint64_t mib = 1 << 20;

Json buckets(std::initializer_list<uint64_t> counts) {
  Json list = Json::array();
  for (const uint64_t count : counts) list.append(count);
  return list;
}

Json device(const char* name, const Json& read, const Json& queue) {
  Json one = Json::object();
  one.set("name", name).set("read_latency", read).set("read_queue_latency", queue);
  return one;
}

Json load(uint64_t missed) {
  Json reader = Json::object();
  reader.set("pid", 812U).set("command", "llama-server -m x").set("path", "/models/x.gguf");
  reader.set("missed", missed).set("size", 4000 * mib);
  Json one = Json::object();
  one.set("id", 3U).set("state", "loading").set("model", "/models/x.gguf");
  one.set("bytes_total", 4000 * mib).set("bytes_loaded", 1000 * mib).set("rate", 500'000'000U);
  one.set("time_left", 6'200'000U).set("missed", missed).set("assistance", "re-windowed");
  return one.set("readers", Json::array().append(reader));
}

/// Half a second apart.
Sample before() {
  Sample sample;
  sample.time_us = 1'000'000;
  sample.manager = Json::object().set("state", "loading").set("mode", "auto");
  sample.loads.append(load(700 * mib));
  sample.devices.append(device("vda", buckets({0, 5, 1}), buckets({0, 1})));
  sample.devices.append(device("vdb", buckets({}), buckets({})));
  sample.disks["vda"] = {.reads = 100, .read_bytes = 10 * mib, .busy_ms = 50};
  sample.disks["vdb"] = {.reads = 7};
  sample.processes[812] = {.major_faults = 40, .start_ticks = 9, .resident_pages = 100};
  sample.memory = VmStat{.refaulted_pages = 50, .evicted_pages = 100, .major_faults = 1};
  return sample;
}

Sample now() {
  Sample sample = before();
  sample.time_us = 1'500'000;
  sample.loads = Json::array().append(load(900 * mib));
  sample.devices = Json::array();
  sample.devices.append(device("vda", buckets({0, 5, 1, 90, 10}), buckets({0, 1, 0, 0, 0, 5})));
  sample.devices.append(device("vdb", buckets({}), buckets({})));
  sample.disks["vda"] = {
      .reads = 200, .read_bytes = 110 * mib, .writes = 3, .written_bytes = 1000, .busy_ms = 450};
  sample.processes[812].major_faults = 60;
  sample.memory = VmStat{
      .refaulted_pages = 150, .evicted_pages = 100, .major_faults = 11, .paged_in_kib = 1024};
  return sample;
}

size_t widest_line(const std::string& text) {
  size_t widest = 0;
  for (size_t start = 0; start < text.size();) {
    const size_t end = text.find('\n', start);
    widest = std::max(widest, utf8_count(text.substr(start, end - start)));
    start = end + 1;
  }
  return widest;
}

}  // namespace

TEST_CASE("A disk's counters are read by their places", "[top]") {
  const auto stat = parse_disk_stat(" 100 1 2048 3 200 4 4096 5 6 777 8 9 10 11 12 13 14\n");
  REQUIRE(stat.has_value());
  CHECK(stat->reads == 100);
  CHECK(stat->read_bytes == mib);
  CHECK(stat->writes == 200);
  CHECK(stat->written_bytes == 2 * mib);
  CHECK(stat->busy_ms == 777);
  CHECK_FALSE(parse_disk_stat("1 2 3").has_value());
  CHECK_FALSE(parse_disk_stat("").has_value());
}

TEST_CASE("A process may have any name", "[top]") {
  const char* const rest =
      " S 1 2 3 4 5 6 111 0 222 0 14 15 16 17 18 19 20 0 333 0 444 25 26 27 28 29";
  for (const char* name : {"reader", "a) R 1 (b", "\n9 9 9"}) {
    const auto stat = parse_process_stat("812 (" + std::string(name) + ")" + rest);
    REQUIRE(stat.has_value());
    CHECK(stat->major_faults == 222);
    CHECK(stat->start_ticks == 333);
    CHECK(stat->resident_pages == 444);
  }
  CHECK_FALSE(parse_process_stat("812 reader S 1 2").has_value());
  CHECK_FALSE(parse_process_stat("812 (reader) S 1 2").has_value());
}

TEST_CASE("Rates come from two samples", "[top]") {
  const Json model = build_model(before(), now());
  CHECK(model["interval"].number() == 500'000);
  const Json& memory = model["memory"];
  CHECK(memory["read_rate"].number() == 2 * mib);
  CHECK(memory["refault_rate"].number() == 200 * 4096);
  CHECK(memory["eviction_rate"].number() == 0);
  CHECK(memory["major_faults"].number() == 20);
  const Json& disk = model["devices"].items()[0];
  CHECK(disk["read_rate"].number() == 200 * mib);
  CHECK(disk["reads"].number() == 200);
  CHECK(disk["writes"].number() == 6);
  CHECK(disk["utilisation"].number() == 80);
  const Json& reader = model["readers"].items()[0];
  CHECK(reader["miss_rate"].number() == 400 * mib);
  CHECK(reader["major_faults"].number() == 40);
  CHECK(reader["resident"].number() == 100 * 4096);
}

TEST_CASE("Percentiles are those of the interval", "[top]") {
  const Json model = build_model(before(), now());
  const Json& disk = model["devices"].items()[0];
  CHECK(disk["device_p50"].number() == 16);
  CHECK(disk["device_p99"].number() == 32);
  // 95 of 100 went past the queue.
  CHECK(disk["queue_p50"].number() == 2);
  CHECK(disk["queue_p99"].number() == 64);
  CHECK_FALSE(model["devices"].items()[1].has("device_p50"));
}

TEST_CASE("What began between two samples has no false rate", "[top]") {
  Sample earlier = before();
  earlier.disks.erase("vda");
  earlier.devices = Json::array();
  earlier.loads = Json::array();
  earlier.processes[812].start_ticks = 8;  // another process of that number
  earlier.memory.reset();
  const Json model = build_model(earlier, now());
  const Json& disk = model["devices"].items()[0];
  CHECK_FALSE(disk.has("read_rate"));
  CHECK_FALSE(disk.has("device_p50"));
  CHECK_FALSE(model["memory"].has("refault_rate"));
  const Json& reader = model["readers"].items()[0];
  CHECK_FALSE(reader.has("major_faults"));
  CHECK(reader["miss_rate"].number() == 1800 * mib);
}

TEST_CASE("Counters that began anew do not run backwards", "[top]") {
  Sample later = now();
  later.disks["vda"].reads = 20;
  later.loads = Json::array().append(load(100 * mib));
  const Json model = build_model(before(), later);
  CHECK(model["devices"].items()[0]["reads"].number() == 40);
  CHECK(model["readers"].items()[0]["miss_rate"].number() == 200 * mib);
}

TEST_CASE("Loads that have ended have no readers", "[top]") {
  Sample later = now();
  later.loads = Json::array().append(load(900 * mib).set("state", "finished"));
  const Json model = build_model(before(), later);
  CHECK(model["loads"].size() == 1);
  CHECK(model["readers"].size() == 0);
}

TEST_CASE("Everything is shown", "[top]") {
  const std::string text = render(build_model(before(), now()), {}, 0);
  CHECK(
      text.starts_with("tuneshift: loading, mode auto, profiles none, 0 servers\n"
                       "page cache: 0 B, 0 B dirty; read in 2.10 MB/s, refaults 819 kB/s, "
                       "evictions 0 B/s, 20 major faults/s\n"));
  CHECK(text.find("   3  /models/x.gguf  25 %  1000 MiB of 3.91 GiB  500 MB/s  6.2 s left") !=
        std::string::npos);
  CHECK(text.find("812     3  419 MB/s  900 MiB        40  400 KiB  llama-server -m x  "
                  "/models/x.gguf\n") != std::string::npos);
  CHECK(text.find("vda     210 MB/s") != std::string::npos);
  CHECK(text.find("<16 µs  <32 µs  80 %\n") != std::string::npos);
  CHECK(text.find("\n1 idle device\n") != std::string::npos);
}

TEST_CASE("A small terminal gets what fits", "[top]") {
  const Json model = build_model(before(), now());
  for (const size_t columns : {1U, 20U, 40U, 80U, 200U}) {
    for (const size_t rows : {1U, 2U, 5U, 50U}) {
      const std::string text = render(model, Style{.columns = columns}, rows);
      CAPTURE(columns, rows, text);
      CHECK(widest_line(text) <= columns);
      CHECK(static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) <= rows);
    }
  }
  CHECK(render(model, {}, 3).ends_with("10 more lines\n"));
}

TEST_CASE("Colours are closed where a line is cut", "[top]") {
  const std::string text =
      render(build_model(before(), now()), Style{.colour = true, .columns = 6}, 3);
  CHECK(text == "\033[1mtunesh\033[0m\n\033[1mpage c\033[0m\n10 mor\n");
}

TEST_CASE("What cannot be seen is said", "[top]") {
  Sample later = now();
  later.hidden = "not allowed: \x1b[2J";
  std::string text = render(build_model(before(), later), {}, 0);
  CHECK(text.find("Readers are not shown: not allowed: \\x1b[2J\n") != std::string::npos);
  later = Sample();
  later.trouble = "tuneshiftd is not running";
  text = render(build_model(before(), later), {}, 0);
  CHECK(text.starts_with("tuneshift: tuneshiftd is not running\n"));
  CHECK(text.find("No loads.\n") != std::string::npos);
}

TEST_CASE("A load that thrashes says so", "[top]") {
  Sample later = now();
  later.loads = Json::array().append(load(900 * mib).set("warning", "thrash: memory too small"));
  CHECK(render(build_model(before(), later), {}, 0).find("load 3: thrash: memory too small\n") !=
        std::string::npos);
}
