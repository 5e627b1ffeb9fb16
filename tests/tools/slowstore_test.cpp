// SPDX-License-Identifier: LGPL-2.1-or-later
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <future>
#include <thread>

#include "child.h"
#include "tests/catch.h"

using namespace tuneshift;

namespace {

struct MountedStore {
  ScratchDirectory scratch{"/dev/shm"};
  std::filesystem::path source = scratch.path() / "source";
  std::filesystem::path mount_point = scratch.path() / "mount";

  MountedStore() {
    std::filesystem::create_directories(source / "deeper");
    std::filesystem::create_directory(mount_point);
    REQUIRE(run_tool("make_model", {source / "deeper/model", "--no-sync", "--size", "8M"}) == 0);
  }

  std::vector<std::string> command(std::vector<std::string> options = {}) const {
    options.insert(options.begin(), {tool("slowstore"), source, mount_point});
    return options;
  }

  [[nodiscard]] bool mounted() const {
    return read_file("/proc/self/mountinfo").find(mount_point.string()) != std::string::npos;
  }

  [[nodiscard]] std::filesystem::path read_ahead() const {
    struct stat attributes {};
    REQUIRE(stat(mount_point.c_str(), &attributes) == 0);
    return "/sys/class/bdi/" + std::to_string(major(attributes.st_dev)) + ":" +
           std::to_string(minor(attributes.st_dev)) + "/read_ahead_kb";
  }
};

double seconds_to_read(const std::filesystem::path& path) {
  const auto start = std::chrono::steady_clock::now();
  read_file(path);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

TEST_CASE("the slow store shows its directory and leaves nothing when it ends") {
  MountedStore store;
  {
    Child daemon(store.command());
    REQUIRE(daemon.read_line() == "ready");
    CHECK(store.mounted());
    CHECK(read_file(store.mount_point / "deeper/model") ==
          read_file(store.source / "deeper/model"));
    CHECK(std::filesystem::directory_iterator(store.mount_point)->path().filename() == "deeper");
    CHECK_FALSE(std::filesystem::exists(store.mount_point / "missing"));
    CHECK_FALSE(std::ofstream(store.mount_point / "deeper/model", std::ios::app).is_open());
    daemon.terminate();
    CHECK(daemon.wait() == 0);
  }
  CHECK_FALSE(store.mounted());
}

TEST_CASE("its read-ahead is the kernel's default and can be raised once it is ready") {
  MountedStore store;
  Child daemon(store.command());
  REQUIRE(daemon.read_line() == "ready");
  CHECK(read_file(store.read_ahead()) == "128\n");
  std::ofstream(store.read_ahead()) << "4096";
  CHECK(read_file(store.mount_point / "deeper/model").size() == 8 << 20);
  CHECK(read_file(store.read_ahead()) == "4096\n");
}

TEST_CASE("each read waits the latency, and all share the link") {
  MountedStore store;
  SECTION("latency") {
    // 64 requests of 128 KiB, at most a few at once.
    Child daemon(store.command({"--latency-us", "20000", "--rate", "0"}));
    REQUIRE(daemon.read_line() == "ready");
    CHECK(seconds_to_read(store.mount_point / "deeper/model") > 0.2);
  }
  SECTION("link") {
    Child daemon(store.command({"--latency-us", "0", "--rate", "16777216"}));
    REQUIRE(daemon.read_line() == "ready");
    CHECK(seconds_to_read(store.mount_point / "deeper/model") > 0.45);
  }
}

TEST_CASE("pages stay cached over an open, unless told otherwise") {
  MountedStore store;
  const bool keep = GENERATE(true, false);
  Child daemon(
      store.command(keep ? std::vector<std::string>{"--latency-us", "20000"}
                         : std::vector<std::string>{"--latency-us", "20000", "--no-keep-cache"}));
  REQUIRE(daemon.read_line() == "ready");
  const auto model = store.mount_point / "deeper/model";
  const double cold = seconds_to_read(model);
  const double again = seconds_to_read(model);
  CHECK((again < cold / 2) == keep);
}

TEST_CASE("reads that are held are answered when they are let go, and end with the store") {
  MountedStore store;
  Child daemon(store.command({"--latency-us", "0", "--rate", "0"}));
  REQUIRE(daemon.read_line() == "ready");
  kill(daemon.pid(), SIGUSR1);
  REQUIRE(daemon.read_line() == "holding");
  std::promise<std::string> thread;
  auto reading = std::async(std::launch::async, [&] {
    thread.set_value("/proc/self/task/" + std::to_string(gettid()) + "/stat");
    return read_file(store.mount_point / "deeper/model");
  });
  const std::string state = thread.get_future().get();
  while (read_file(state).find(") D ") == std::string::npos) std::this_thread::yield();
  const bool lets_go = GENERATE(true, false);
  if (lets_go) {
    kill(daemon.pid(), SIGUSR2);
    CHECK(daemon.read_line() == "letting go");
    CHECK(reading.get().size() == 8 << 20);
  }
  daemon.terminate();
  CHECK(daemon.wait() == 0);
  if (!lets_go) reading.wait();
  CHECK_FALSE(store.mounted());
}
