// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/config.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "source_directory.h"
#include "tests/catch.h"
#include "tests/unit/operator_directory.h"

using namespace tuneshift;

namespace {

Config good(const std::string& text) {
  Diagnostics mistakes;
  const Config config = parse_config(text, "t.yaml", mistakes);
  for (const Diagnostic& mistake : mistakes) FAIL_CHECK(to_string(mistake));
  return config;
}

std::string mistakes_in(const std::string& text) {
  Diagnostics mistakes;
  parse_config(text, "t.yaml", mistakes);
  std::string lines;
  for (const Diagnostic& mistake : mistakes) lines += to_string(mistake) + "\n";
  return lines;
}

void check_defaults(const Config& config) {
  CHECK(config.mode == Mode::observe);
  CHECK(config.loading_profile == "throughput");
  CHECK(config.serving_profile == "latency");
  CHECK(config.size_floor_bytes == 256ULL << 20);
  CHECK(config.settle_ms == 2000);
  CHECK(config.dwell_ms == 60000);
  CHECK(config.writes_per_hour == 30);
  CHECK(config.signals_off.empty());
  CHECK(config.prefetch);
  CHECK_FALSE(config.prefetch_account_daemon);
  CHECK(config.prefetch_stand_down);
}

}  // namespace

TEST_CASE("a configuration without a word has the defaults") {
  check_defaults(good(""));
  check_defaults(good("# nothing\n"));
  check_defaults(good("detection:\nswitching: ~\n"));
}

TEST_CASE("the shipped configuration says the defaults, key by key") {
  const auto root = source_directory();
  std::ifstream file(root / "systemd" / "tuneshift.yaml");
  REQUIRE(file);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  check_defaults(good(text));
  for (const char* key :
       {"mode", "loading", "serving", "size_floor", "settle", "off", "dwell", "writes_per_hour"}) {
    CHECK(text.find(std::string(key) + ": ") != std::string::npos);
  }
}

TEST_CASE("every key of a configuration is read") {
  const Config config = good(
      "mode: auto\n"
      "profiles: {loading: fast-1, serving: slow_2}\n"
      "detection: {size_floor: 1GiB, settle: 500ms}\n"
      "switching: {dwell: 2m, writes_per_hour: 7}\n");
  CHECK(config.mode == Mode::automatic);
  CHECK(config.loading_profile == "fast-1");
  CHECK(config.serving_profile == "slow_2");
  CHECK(config.size_floor_bytes == 1ULL << 30);
  CHECK(config.settle_ms == 500);
  CHECK(config.dwell_ms == 120000);
  CHECK(config.writes_per_hour == 7);
}

TEST_CASE("sizes and durations have units and bounds") {
  CHECK(good("detection: {size_floor: 1048576}").size_floor_bytes == 1 << 20);
  CHECK(good("detection: {size_floor: 2048KiB}").size_floor_bytes == 2 << 20);
  CHECK(good("detection: {size_floor: 1TiB}").size_floor_bytes == 1ULL << 40);
  CHECK(good("switching: {dwell: 0s}").dwell_ms == 0);
  CHECK(good("switching: {dwell: 24h}").dwell_ms == 86400000);
  for (const char* size : {"1048575", "1025GiB", "0MiB", "9223372036854775807TiB"}) {
    CHECK(mistakes_in(std::string("detection: {size_floor: ") + size + "}") ==
          std::string("t.yaml:1:25: '") + size +
              "' is out of range for 'size_floor': 1MiB to 1TiB\n");
  }
  for (const char* size :
       {"256MB", "-1MiB", "MiB", "1.5GiB", "1 MiB", "0x10", "99999999999999999999"}) {
    CHECK(mistakes_in(std::string("detection: {size_floor: ") + size + "}") ==
          std::string("t.yaml:1:25: '") + size +
              "' is not a size: bytes, or a number with KiB, MiB, GiB or TiB\n");
  }
  for (const char* duration : {"2", "2 s", "s", "-2s", "1.5s", "2d", "0x2s"}) {
    CHECK(mistakes_in(std::string("switching: {dwell: ") + duration + "}") ==
          std::string("t.yaml:1:20: '") + duration +
              "' is not a duration: a number with ms, s, m or h\n");
  }
  CHECK(mistakes_in("detection: {settle: 99ms}") ==
        "t.yaml:1:21: '99ms' is out of range for 'settle': 100ms to 10m\n");
  CHECK(mistakes_in("switching: {dwell: 25h}") ==
        "t.yaml:1:20: '25h' is out of range for 'dwell': 0s to 24h\n");
}

TEST_CASE("all mistakes of a configuration come at once, in order, with suggestions") {
  CHECK(mistakes_in("mode: atuo\n"
                    "profles: {}\n"
                    "profiles: {loading: ../x, serving: }\n"
                    "mode: auto\n"
                    "detection: 5\n"
                    "switching:\n"
                    "  dwel: 1s\n"
                    "  writes_per_hour: 0\n") ==
        "t.yaml:1:7: unknown mode 'atuo', did you mean 'auto'?\n"
        "t.yaml:2:1: unknown key 'profles', did you mean 'profiles'?\n"
        "t.yaml:3:21: '../x': a profile's name is 1 to 64 of a-z, 0-9, '-' and '_', "
        "a letter or digit first\n"
        "t.yaml:3:27: 'serving' has no value\n"
        "t.yaml:4:1: duplicate key 'mode', first on line 1\n"
        "t.yaml:5:1: section 'detection' takes a map of keys\n"
        "t.yaml:7:3: unknown key 'dwel', did you mean 'dwell'?\n"
        "t.yaml:8:20: '0' is out of range for 'writes_per_hour': 1 to 3600\n");
  CHECK(mistakes_in("mode: on\nswitching: {writes_per_hour: many}\n") ==
        "t.yaml:1:7: unknown mode 'on': known are observe, auto, manual and paused\n"
        "t.yaml:2:30: 'many' is not a whole number\n");
  CHECK(mistakes_in("mode: [auto]\n") == "t.yaml:1:1: 'mode' takes one value\n");
  CHECK(mistakes_in("auto\n") == "t.yaml:1:1: a configuration is a map of keys\n");
}

TEST_CASE("a configuration file may be missing, but not open to others") {
  OperatorDirectory directory;
  Diagnostics mistakes;
  check_defaults(read_config(directory.file("none.yaml"), mistakes));
  check_defaults(read_config(directory.file("no/none.yaml"), mistakes));
  CHECK(mistakes.empty());

  directory.write("t.yaml", "mode: manual\n");
  CHECK(read_config(directory.file("t.yaml"), mistakes).mode == Mode::manual);
  CHECK(mistakes.empty());
  directory.mode("t.yaml", 0662);
  check_defaults(read_config(directory.file("t.yaml"), mistakes));
  directory.write("u.yaml", "mode: nope\n");
  read_config(directory.file("u.yaml"), mistakes);
  CHECK(directory.print(mistakes) ==
        "t.yaml: may be written by others than its owner\n"
        "u.yaml:1:7: unknown mode 'nope': known are observe, auto, manual and paused\n");
}

TEST_CASE("modes have their names") {
  for (const Mode mode : {Mode::observe, Mode::automatic, Mode::manual, Mode::paused}) {
    Mode parsed = mode == Mode::paused ? Mode::observe : Mode::paused;
    CHECK(parse_mode(to_string(mode), parsed));
    CHECK(parsed == mode);
  }
  Mode mode = Mode::manual;
  CHECK_FALSE(parse_mode("automatic", mode));
  CHECK_FALSE(parse_mode("", mode));
  CHECK(mode == Mode::manual);
}

TEST_CASE("signals can be switched off") {
  CHECK(good("probes: {off: [reads, latency]}\n").signals_off ==
        std::set<std::string>{"latency", "reads"});
  CHECK(good("probes:\n  off: []\n").signals_off.empty());
  CHECK(mistakes_in("probes:\n  off: [reads, mapings, everything]\n") ==
        "t.yaml:2:16: unknown signal 'mapings', did you mean 'mappings'?\n"
        "t.yaml:2:25: unknown signal 'everything'\n");
  CHECK(mistakes_in("probes: {off: reads}\n") == "t.yaml:1:10: 'off' takes a list of signals\n");
  CHECK(mistakes_in("probes: {off: [[reads]]}\n") == "t.yaml:1:16: unknown signal ''\n");
}

TEST_CASE("what is said of reading ahead is read, and mistakes in it are told") {
  const Config config = good("prefetch: {enabled: true, account: daemon, stand_down: false}\n");
  CHECK(config.prefetch);
  CHECK_FALSE(config.prefetch_stand_down);
  CHECK(config.prefetch_account_daemon);
  CHECK_FALSE(good("prefetch: {enabled: false, account: reader}\n").prefetch);
  CHECK(mistakes_in("prefetch:\n  enabled: yes\n  account: pod\n  ahead: 1\n") ==
        "t.yaml:2:12: 'enabled' takes true or false, not 'yes'\n"
        "t.yaml:3:12: 'account' takes reader or daemon, not 'pod'\n"
        "t.yaml:4:3: unknown key 'ahead'\n");
}
