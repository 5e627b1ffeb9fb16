// SPDX-License-Identifier: LGPL-2.1-or-later
#include <csignal>
#include <fstream>
#include <iterator>
#include <regex>
#include <sstream>

#include "child.h"
#include "tests/catch.h"

using namespace tuneshift;

namespace {

struct Model {
  ScratchDirectory scratch{"/dev/shm"};
  std::string path = scratch.path() / "model.safetensors";
  Model() { REQUIRE(run_tool("make_model", {path, "--no-sync", "--size", "8M"}) == 0); }
};

uint64_t field(const std::string& json, const std::string& name) {
  std::smatch found;
  INFO(json);
  REQUIRE(std::regex_search(json, found, std::regex("\"" + name + "\":(\\d+)")));
  return std::stoull(found[1]);
}

// Resident anonymous memory of a process, in KiB.
uint64_t anonymous_kib(pid_t pid) {
  const std::string status = read_file("/proc/" + std::to_string(pid) + "/status");
  std::smatch found;
  REQUIRE(std::regex_search(status, found, std::regex("RssAnon:\\s+(\\d+)")));
  return std::stoull(found[1]);
}

}  // namespace

TEST_CASE("every mode touches each page of the file") {
  Model model;
  const std::string file = read_file(model.path);
  uint64_t expected = 0;
  for (size_t at = 0; at < file.size(); at += 4096)
    expected += static_cast<unsigned char>(file[at]);
  const std::vector<std::vector<std::string>> ways = {
      {"mmap-sequential"},
      {"mmap-sequential", "--populate"},
      {"mmap-sequential", "--hint"},
      {"mmap-sequential", "--madvise", "random"},
      {"mmap-sequential", "--madvise", "populate-read"},
      {"mmap-random"},
      {"mmap-random", "--madvise", "random", "--close"},
      {"read"},
      {"read", "--step", "1M"},
      {"pread"},
      {"direct"},
      {"aio"},
      {"uring"},
      {"uring-async", "--step", "64K"},
      {"uring-sqpoll"},
      {"uring-direct"},
  };
  for (const std::vector<std::string>& way : ways) {
    std::vector<std::string> command = {tool("reader")};
    command.insert(command.end(), way.begin(), way.end());
    command.insert(command.end(), {model.path, "--threads", "3"});
    Child reader(command);
    const std::string& mode = way.front();
    const std::string line = reader.read_line();
    INFO(mode << ": " << line);
    CHECK(field(line, "bytes") == file.size());
    CHECK(field(line, "sum") == expected);
    CHECK(reader.wait() == 0);
  }
}

TEST_CASE("tensor order needs a safetensors header") {
  Model model;
  CHECK(run_tool("reader", {"mmap-tensor", model.path}) == 0);
  const std::string other = model.scratch.path() / "other";
  std::ofstream(other) << std::string(1 << 20, '\xff');
  CHECK(run_tool("reader", {"mmap-tensor", other}) == 1);
}

TEST_CASE("a serving reader keeps what it read until its input ends") {
  Model model;
  Child reader({tool("reader"), "read", model.path, "--serve"});
  reader.read_line();
  const auto kept = anonymous_kib(reader.pid());
  CHECK(kept >= 8 << 10);
  reader.close_input();
  CHECK(reader.wait() == 0);

  Child dropping({tool("reader"), "read", model.path, "--serve", "--discard"});
  dropping.read_line();
  // Compared, because a sanitizer's own memory is in both.
  CHECK(anonymous_kib(dropping.pid()) + (6 << 10) < kept);
}

TEST_CASE("a mapping reader closes its descriptor when told") {
  Model model;
  auto holds = [&](const std::vector<std::string>& options) {
    std::vector<std::string> command = {tool("reader"), "mmap-sequential", model.path, "--serve"};
    command.insert(command.end(), options.begin(), options.end());
    Child reader(command);
    reader.read_line();
    const auto directory = "/proc/" + std::to_string(reader.pid()) + "/fd";
    for (const auto& link : std::filesystem::directory_iterator(directory)) {
      if (std::filesystem::read_symlink(link) == model.path) return true;
    }
    return false;
  };
  CHECK(holds({}));
  CHECK_FALSE(holds({"--close"}));
}

TEST_CASE("each rank loads the files in a process of its own, and ends with the first") {
  Model model;
  const std::string missing = model.scratch.path() / "missing";
  CHECK(run_tool("reader", {"read", missing, "--ranks", "2"}) == 1);

  Child reader({tool("reader"), "mmap-tensor", model.path, "--ranks", "3", "--serve"});
  for (int rank = 0; rank < 3; ++rank) {
    const std::string line = reader.read_line();
    CHECK(field(line, "bytes") == std::filesystem::file_size(model.path));
  }
  const auto children = "/proc/" + std::to_string(reader.pid()) + "/task/" +
                        std::to_string(reader.pid()) + "/children";
  std::istringstream names(read_file(children));
  const std::vector<pid_t> others{std::istream_iterator<pid_t>(names), {}};
  CHECK(others.size() == 2);
  reader.terminate();
  CHECK(reader.wait() == 128 + SIGTERM);
  // Their pipe ends with the last of them.
  CHECK(reader.read_line().empty());
}
