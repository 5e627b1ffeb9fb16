// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <fstream>
#include <future>
#include <thread>
#include <type_traits>
#include <vector>

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

/// Read without read-ahead: the store gets the request as it was made.
class OpenFile {
 public:
  explicit OpenFile(const std::filesystem::path& path)
      : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    REQUIRE(fd_ >= 0);
    REQUIRE(posix_fadvise(fd_, 0, 0, POSIX_FADV_RANDOM) == 0);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile() { close(fd_); }

  [[nodiscard]] ssize_t read(off_t offset, size_t bytes) const {
    std::vector<char> buffer(bytes);
    return pread(fd_, buffer.data(), bytes, offset);
  }

 private:
  int fd_;
};

/// A call in a thread of its own, made when that thread waits for a disk.
template <class Call>
struct Waiting {
  std::future<std::invoke_result_t<Call>> result;

  explicit Waiting(Call call) {
    std::promise<std::string> thread;
    result = std::async(std::launch::async, [&thread, call] {
      thread.set_value("/proc/self/task/" + std::to_string(gettid()) + "/stat");
      return call();
    });
    const std::string state = thread.get_future().get();
    while (read_file(state).find(") D ") == std::string::npos) std::this_thread::yield();
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

TEST_CASE("a seed's jitter is always the same for an offset, and spreads over its range") {
  MountedStore store;
  const auto seconds_by_offset = [&](const std::string& seed) {
    Child daemon(store.command({"--latency-us", "0", "--rate", "0", "--direct-io", "--jitter-us",
                                "30000", "--seed", seed}));
    REQUIRE(daemon.read_line() == "ready");
    const OpenFile model(store.mount_point / "deeper/model");
    std::vector<double> seconds;
    for (off_t at = 0; at < 32; ++at) {
      const auto start = std::chrono::steady_clock::now();
      REQUIRE(model.read(at << 16, 4096) == 4096);
      seconds.push_back(
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    return seconds;
  };
  const auto first = seconds_by_offset("7");
  const auto again = seconds_by_offset("7");
  std::vector<double> sorted = first;
  std::sort(sorted.begin(), sorted.end());
  CHECK(sorted.back() > 0.015);
  // 15 ms lie between the means of the slower and the faster half, none where it is by chance.
  double apart = 0;
  for (size_t i = 0; i < first.size(); ++i) apart += first[i] < sorted[16] ? -again[i] : again[i];
  CHECK(apart / 16 > 0.0075);
}

TEST_CASE("what is read past the page cache comes from the store each time") {
  MountedStore store;
  Child daemon(store.command({"--latency-us", "20000", "--direct-io"}));
  REQUIRE(daemon.read_line() == "ready");
  const OpenFile model(store.mount_point / "deeper/model");
  for (int time = 0; time < 2; ++time) {
    const auto start = std::chrono::steady_clock::now();
    REQUIRE(model.read(0, 4096) == 4096);
    CHECK(std::chrono::steady_clock::now() - start >= std::chrono::milliseconds(20));
  }
}

TEST_CASE("reads of a failing range end with EIO, and others do not") {
  MountedStore store;
  Child daemon(store.command({"--latency-us", "0", "--eio", "1M", "64K"}));
  REQUIRE(daemon.read_line() == "ready");
  const OpenFile model(store.mount_point / "deeper/model");
  for (const off_t inside : {1 << 20, (1 << 20) + (60 << 10)}) {
    CHECK(model.read(inside, 4096) == -1);
    CHECK(errno == EIO);
  }
  for (const off_t outside : {0, (1 << 20) - 4096, (1 << 20) + (64 << 10), 7 << 20}) {
    CHECK(model.read(outside, 4096) == 4096);
  }
}

TEST_CASE("short reads reach a reader that goes past the page cache") {
  MountedStore store;
  Child daemon(store.command({"--latency-us", "0", "--direct-io", "--short-reads", "12K"}));
  REQUIRE(daemon.read_line() == "ready");
  const OpenFile model(store.mount_point / "deeper/model");
  CHECK(model.read(0, 64 << 10) == 12 << 10);
  CHECK(model.read(0, 8 << 10) == 8 << 10);
  CHECK(read_file(store.mount_point / "deeper/model") == read_file(store.source / "deeper/model"));
}

TEST_CASE("reads of a hanging range wait until they are let go, and end with the store") {
  MountedStore store;
  Child daemon(store.command({"--latency-us", "0", "--hang", "1M", "4K"}));
  REQUIRE(daemon.read_line() == "ready");
  const OpenFile model(store.mount_point / "deeper/model");
  Waiting reading([&] { return model.read(1 << 20, 4096); });
  CHECK(model.read(2 << 20, 4096) == 4096);
  CHECK(reading.result.wait_for(std::chrono::seconds(0)) == std::future_status::timeout);
  const bool lets_go = GENERATE(true, false);
  if (lets_go) {
    kill(daemon.pid(), SIGUSR2);
    CHECK(daemon.read_line() == "letting go");
    CHECK(reading.result.get() == 4096);
    CHECK(model.read(1 << 20, 4096) == 4096);
  }
  daemon.terminate();
  CHECK(daemon.wait() == 0);
  if (!lets_go) reading.result.wait();
  CHECK_FALSE(store.mounted());
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
  Waiting reading([&] { return read_file(store.mount_point / "deeper/model"); });
  const bool lets_go = GENERATE(true, false);
  if (lets_go) {
    kill(daemon.pid(), SIGUSR2);
    CHECK(daemon.read_line() == "letting go");
    CHECK(reading.result.get().size() == 8 << 20);
  }
  daemon.terminate();
  CHECK(daemon.wait() == 0);
  if (!lets_go) reading.result.wait();
  CHECK_FALSE(store.mounted());
}
