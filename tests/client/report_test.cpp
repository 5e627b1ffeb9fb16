// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/report.h"

#include "client/loads.h"
#include "client/signals.h"
#include "client/variant_json.h"
#include "tests/catch.h"

using namespace tuneshift;

namespace {

Json change(const char* kind, const char* knob, const char* from, const char* to) {
  Json row = Json::object();
  row.set("kind", kind).set("time", uint64_t{1000}).set("knob", knob);
  return row.set("from", from).set("to", to).set("profile", "throughput");
}

Json load(const char* state, uint64_t loaded, uint64_t total, uint64_t rate) {
  Json row = Json::object();
  row.set("id", uint64_t{3}).set("state", state).set("bytes_loaded", loaded);
  return row.set("bytes_total", total).set("rate", rate).set("started", uint64_t{1000000});
}

}  // namespace

TEST_CASE("A report sums up changes by knob", "[report]") {
  Json history = Json::array();
  history.append(change("would-write", "vm.swappiness", "60", "10"));
  history.append(change("would-write", "vm.swappiness", "55", "20"));
  history.append(change("yielded", "vm.stat_interval", "10", "5"));
  for (int i = 0; i < 3; ++i) {
    Json row = Json::object();
    history.append(row.set("kind", "rejected").set("reason", "already cached"));
  }
  Json rewindow = Json::object();
  history.append(rewindow.set("kind", "would-rewindow"));
  Json loads = Json::array();
  loads.append(load("finished", 10, 10, 0).set("saved_us", uint64_t{2000000}));
  loads.append(load("finished", 10, 10, 0).set("saved_us", uint64_t{3000000}));
  loads.append(load("finished", 10, 10, 0).set("warning", "thrash: memory too small"));
  const Json report = build_report(history, loads);
  REQUIRE(report["would_write"].size() == 1);
  const Json& row = report["would_write"].items()[0];
  CHECK(row["from"].text() == "60");
  CHECK(row["to"].text() == "20");
  CHECK(row["times"].number() == 2);
  CHECK(report["written"].size() == 0);
  CHECK(report["yielded"].size() == 1);
  CHECK(report["would_rewindow"].number() == 1);
  CHECK(report["saved_us"].number() == 5000000);
  CHECK(report["rejected"].line() == R"([{"reason":"already cached","times":3}])");
  const std::string text = render_report(report, {});
  CHECK(text.find("3 loads; nothing was written; 1 knob would have been changed; "
                  "1 reader would have been re-windowed; about 5 s saved.") != std::string::npos);
  CHECK(text.find("3 × already cached") != std::string::npos);
  CHECK(text.find("\nload 3: thrash: memory too small\n") != std::string::npos);
}

TEST_CASE("An empty report is still a report", "[report]") {
  const Json report = build_report(Json::array(), Json::array());
  CHECK(report["loads"].line() == "[]");
  CHECK(render_report(report, {}) == "0 loads.\n");
}

TEST_CASE("Progress of a load", "[loads]") {
  const Json running = load("loading", 3000, 4000, 500).set("time_left", uint64_t{2000000});
  CHECK(load_percent(running) == 75);
  CHECK(load_time(running) == "2 s left");
  CHECK(load_time(load("loading", 3000, 4000, 500)).empty());
  CHECK(load_percent(load("loading", 9, 4, 0)) == 100);
  CHECK(load_percent(load("loading", 9, 0, 0)) == 0);
  const Json ended = load("finished", 4000, 4000, 0).set("finished", uint64_t{3000000});
  CHECK(load_time(ended) == "took 2 s");
  CHECK(load_rate(ended) == 2000);
  CHECK(load_name(running) == "load 3");
}

TEST_CASE("Bus values become JSON", "[variant]") {
  using Dictionary = std::map<std::string, sdbus::Variant>;
  CHECK(to_json(sdbus::Variant(uint64_t{7})).line() == "7");
  CHECK(to_json(sdbus::Variant(int32_t{-7})).line() == "-7");
  CHECK(to_json(sdbus::Variant(true)).line() == "true");
  CHECK(to_json(sdbus::Variant(std::string("x"))).line() == "\"x\"");
  CHECK(to_json(sdbus::Variant(std::vector<std::string>{"a", "b"})).line() == R"(["a","b"])");
  CHECK(to_json(sdbus::Variant(std::vector<uint64_t>{1, 2})).line() == "[1,2]");
  const std::map<std::string, sdbus::Struct<std::string, std::string>> probes = {
      {"reads", sdbus::make_struct(std::string("ok"), std::string(""))}};
  CHECK(to_json(sdbus::Variant(probes)).line() == R"({"reads":["ok",""]})");
  const std::vector<Dictionary> rows = {{{"write", sdbus::Variant(false)}}};
  CHECK(to_json(rows).line() == R"([{"write":false}])");
  CHECK(to_json(sdbus::Variant(rows)).line() == R"([{"write":false}])");
  CHECK(to_json(sdbus::Variant()).line() == "null");
  CHECK(properties_to_json({{"BytesTotal", sdbus::Variant(uint64_t{1})}}).line() ==
        R"({"bytes_total":1})");
}

TEST_CASE("Load paths", "[signals]") {
  CHECK(load_id("/org/tuneshift1/load/12") == 12);
  CHECK_FALSE(load_id("/org/tuneshift1/load/").has_value());
  CHECK_FALSE(load_id("/org/tuneshift1/load/12x").has_value());
  CHECK_FALSE(load_id("/org/tuneshift1/device/12").has_value());
}
