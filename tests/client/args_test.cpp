// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/args.h"

#include <array>
#include <cstdlib>
#include <ctime>
#include <filesystem>

#include "tests/catch.h"

using namespace tuneshift;

namespace {

constexpr uint64_t kNoonUs = 1738324800ULL * 1000000;  // 2025-01-31 12:00:00 UTC

uint64_t seconds(const std::string& text) {
  const auto parsed = parse_duration(text);
  return parsed.ok() ? parsed.value() : 0;
}

uint64_t moment_s(const std::string& text) {
  const auto parsed = parse_time(text, kNoonUs);
  return parsed.ok() ? parsed.value() / 1000000 : 0;
}

}  // namespace

TEST_CASE("Durations are parsed", "[args]") {
  CHECK(seconds("90") == 90);
  CHECK(seconds("90s") == 90);
  CHECK(seconds("10m") == 600);
  CHECK(seconds("10min") == 600);
  CHECK(seconds("2h") == 7200);
  CHECK(seconds("1d") == 86400);
  CHECK(seconds("1h30m") == 5400);
}

TEST_CASE("What is no duration is refused", "[args]") {
  for (const char* text : {"", "0", "0s", "-5", "m", "5x", "5 m", "1.5h", "10mm",
                           "18446744073709551616", "18446744073709551615s", "400000d"}) {
    INFO(text);
    CHECK_FALSE(parse_duration(text).ok());
  }
}

TEST_CASE("Times are parsed", "[args]") {
  setenv("TZ", "UTC", 1);
  tzset();
  const uint64_t noon = kNoonUs / 1000000;
  CHECK(moment_s("10m") == noon - 600);
  CHECK(moment_s("today") == noon - 43200);
  CHECK(moment_s("yesterday") == noon - 43200 - 86400);
  CHECK(moment_s("11:30") == noon - 1800);
  CHECK(moment_s("11:30:05") == noon - 1795);
  CHECK(moment_s("2025-01-30") == noon - 43200 - 86400);
  CHECK(moment_s("2025-01-30 12:00") == noon - 86400);
  CHECK(moment_s("2025-01-30 12:00:01") == noon - 86399);
  CHECK(moment_s("@1700000000") == 1700000000);
  for (const char* text :
       {"", "noon", "25:00", "2025-13-01", "12:00x", "@", "@99999999999999999999"})
    CHECK_FALSE(parse_time(text, kNoonUs).ok());
}

TEST_CASE("A subject is a process, a path or a knob", "[args]") {
  CHECK(parse_subject("812").value().kind == Subject::Kind::pid);
  CHECK(parse_subject("812").value().pid == 812);
  CHECK_FALSE(parse_subject("0").ok());
  CHECK_FALSE(parse_subject("99999999999").ok());
  CHECK_FALSE(parse_subject("").ok());
  CHECK(parse_subject("vm.swappiness").value().kind == Subject::Kind::knob);
  CHECK(parse_subject("bdi/0:44/read_ahead_kb").value().text == "bdi/0:44/read_ahead_kb");
  const auto missing = parse_subject("/no/such/../model.gguf");
  CHECK(missing.value().kind == Subject::Kind::path);
  CHECK(missing.value().text == "/no/model.gguf");
}

TEST_CASE("A path is resolved to the file behind it", "[args]") {
  namespace fs = std::filesystem;
  std::string name = (fs::temp_directory_path() / "subject.XXXXXX").string();
  REQUIRE(mkdtemp(name.data()) != nullptr);
  const fs::path directory = fs::canonical(name);
  fs::create_directory(directory / "blobs");
  fs::create_symlink(directory / "blobs", directory / "model");
  const auto subject = parse_subject((directory / "model").string());
  fs::remove_all(directory);
  CHECK(subject.value().kind == Subject::Kind::path);
  CHECK(subject.value().text == (directory / "blobs").string());
}

TEST_CASE("The command begins after the first --", "[args]") {
  std::array<std::string, 6> words = {"tuneshiftctl", "hold", "p", "--", "ls", "--"};
  std::array<char*, 6> argv{};
  for (size_t i = 0; i < words.size(); ++i) argv[i] = words[i].data();
  const auto split = split_arguments(6, argv.data());
  CHECK(split.own == std::vector<std::string>{"hold", "p"});
  CHECK(split.command == std::vector<std::string>{"ls", "--"});
  CHECK(split.has_command);
  CHECK_FALSE(split_arguments(3, argv.data()).has_command);
}
