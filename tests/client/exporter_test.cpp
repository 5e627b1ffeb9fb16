// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/exporter/metrics.h"
#include "client/exporter/text_file.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/catch.h"

using namespace tuneshift;
using Catch::Matchers::Contains;

namespace {

Json buckets(std::initializer_list<uint64_t> counts) {
  Json list = Json::array();
  for (const uint64_t count : counts) list.append(count);
  return list;
}

Json row(const char* key, const char* value) {
  return Json::object().set(key, value);
}

Observation observation() {
  Observation seen;
  seen.manager.set("version", "0.1.0")
      .set("mode", "auto")
      .set("state", "serving")
      .set("loads", 0U)
      .set("servers", 2U)
      .set("probes", Json::object().set("reads", Json::array().append("ok").append("")))
      .set("dropped_events", 3U)
      .set("events", Json::object().set("written", 7U))
      .set("totals", Json::object()
                         .set("loaded_bytes", uint64_t{1} << 40)
                         .set("helped_bytes", 512U)
                         .set("saved_us", 2'500'000U));
  seen.knobs = Json::array().append(row("state", "ours")).append(row("state", "failed"));
  seen.drift = Json::array().append(row("knob", "vm.swappiness"));
  seen.holds = Json::array();
  seen.devices = Json::array()
                     .append(Json::object()
                                 .set("name", "nvme\"0\n1")
                                 .set("read_latency", buckets({1, 0, 2}))
                                 .set("write_latency", buckets({})))
                     .append(Json::object().set("name", "sda"));
  return seen;
}

std::vector<std::string> entries(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    names.push_back(entry.path().filename());
  return names;
}

}  // namespace

TEST_CASE("Metrics of a daemon that answers", "[exporter]") {
  const std::string text = exposition_text(metrics_of(observation()));
  for (const char* line : {
           "tuneshift_up 1\n",
           "tuneshift_build_info{version=\"0.1.0\"} 1\n",
           "tuneshift_mode{mode=\"auto\"} 1\n",
           "tuneshift_mode{mode=\"observe\"} 0\n",
           "tuneshift_state{state=\"serving\"} 1\n",
           "tuneshift_state{state=\"idle\"} 0\n",
           "tuneshift_servers 2\n",
           "tuneshift_probe_tier{signal=\"reads\",tier=\"ok\"} 1\n",
           "tuneshift_dropped_events_total 3\n",
           "tuneshift_events_total{kind=\"written\"} 7\n",
           "tuneshift_loaded_bytes_total 1099511627776\n",
           "tuneshift_saved_seconds_total 2.5\n",
           "tuneshift_knobs{state=\"failed\"} 1\n",
           "tuneshift_knobs{state=\"yielded\"} 0\n",
           "tuneshift_knobs_drifted 1\n",
           "tuneshift_holds 0\n",
           "# TYPE tuneshift_events_total counter\n",
       }) {
    CHECK_THAT(text, Contains(line));
  }
}

TEST_CASE("Buckets of a device add up, and the last is open", "[exporter]") {
  const std::string text = exposition_text(metrics_of(observation()));
  const std::string labels = R"({device="nvme\"0\n1",operation="read")";
  const std::string name = "tuneshift_device_latency_seconds";
  CHECK_THAT(text, Contains(name + "_bucket" + labels + ",le=\"2e-06\"} 1\n") ||
                       Contains(name + "_bucket" + labels + ",le=\"2.0"));
  CHECK_THAT(text, Contains(name + "_bucket" + labels + ",le=\"+Inf\"} 3\n"));
  CHECK_THAT(text, Contains(name + "_count" + labels + "} 3\n"));
  // None of a device that has seen no request.
  CHECK_THAT(text, !Contains("sda") && !Contains("operation=\"write\""));
  CHECK_THAT(text, !Contains("tuneshift_device_queue_latency_seconds"));
}

TEST_CASE("Without a bus the daemon is down", "[exporter]") {
  setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus", 1);
  std::string problem;
  const std::string text = exposition_text(collect_metrics(problem));
  unsetenv("DBUS_SYSTEM_BUS_ADDRESS");
  CHECK_THAT(text, Contains("tuneshift_up 0\n"));
  CHECK_THAT(text, !Contains("tuneshift_loads"));
  CHECK_THAT(problem, Contains("cannot reach the system bus"));
}

TEST_CASE("A text file is replaced as a whole", "[exporter]") {
  std::string folder = "/tmp/tuneshift-exporter-XXXXXX";
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  const std::string path = folder + "/tuneshift.prom";
  std::ofstream(path) << "what was there before, and is longer";
  REQUIRE(replace_text_file(path, "tuneshift_up 1\n").ok());
  std::ostringstream content;
  content << std::ifstream(path).rdbuf();
  CHECK(content.str() == "tuneshift_up 1\n");
  struct stat info {};
  REQUIRE(stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0644);
  CHECK(entries(folder) == std::vector<std::string>{"tuneshift.prom"});

  // A folder is in its place: what was made goes again.
  std::filesystem::create_directories(folder + "/taken/by");
  CHECK_FALSE(replace_text_file(folder + "/taken", "").ok());
  CHECK(entries(folder).size() == 2);
  CHECK_FALSE(replace_text_file(folder + "/absent/file", "").ok());
  std::filesystem::remove_all(folder);
}
