// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <vector>

#include "client/bench/read_speed.h"
#include "client/bench/store.h"
#include "tests/catch.h"

using namespace tuneshift;
using namespace std::chrono_literals;

namespace {

constexpr uint64_t mib = 1 << 20;

/// On a disk: what lies in memory may refuse direct reads.
struct Folder {
  std::string path = "/var/tmp/tuneshift-bench-test-XXXXXX";

  Folder() { REQUIRE(mkdtemp(path.data()) != nullptr); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path); }

  [[nodiscard]] std::string file(const std::string& name, uint64_t bytes) const {
    const std::string full = path + "/" + name;
    const OwnedFd fd(open(full.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    const std::vector<char> chunk(mib, 'x');
    for (uint64_t done = 0; done < bytes; done += mib) {
      REQUIRE(write(fd.get(), chunk.data(), mib) == static_cast<ssize_t>(mib));
    }
    return full;
  }
};

ErrorCode refusal(const std::string& path, uint64_t bytes = 16 * mib) {
  const auto store = open_store(path, bytes);
  REQUIRE_FALSE(store.ok());
  CHECK(store.error().message.find(path) != std::string::npos);
  return store.error().code;
}

}  // namespace

TEST_CASE("reads are counted, and no read is beyond the end") {
  const Folder folder;
  const auto store = open_store(folder.file("a", 20 * mib), 1024 * mib);
  REQUIRE(store.ok());
  CHECK(store.value().size_bytes == 20 * mib);
  CHECK(store.value().kind == "file");
  for (const bool random : {false, true}) {
    // 3 MiB: the file's last block is not whole, and is left out.
    const auto speed = measure_reads(store.value().fd.get(), 20 * mib, {3 * mib, 4, random}, 20ms);
    REQUIRE(speed.ok());
    CHECK(speed.value().requests >= 4);
    CHECK(speed.value().bytes == speed.value().requests * 3 * mib);
    CHECK(speed.value().p50_ns > 0);
    CHECK(speed.value().p50_ns <= speed.value().p99_ns);
    CHECK(speed.value().p99_ns <= speed.value().took_ns);
    CHECK(speed.value().bytes_a_second() > 0);
  }
}

TEST_CASE("as many requests are in flight as were asked for") {
  const Folder folder;
  const auto store = open_store(folder.file("a", 16 * mib), 16 * mib);
  REQUIRE(store.ok());
  const auto speed = measure_reads(store.value().fd.get(), 16 * mib, {4096, 64, true}, 0ms);
  REQUIRE(speed.ok());
  CHECK(speed.value().requests == 64);
}

TEST_CASE("a file that shrinks, a block larger than the store and a closed descriptor are errors") {
  const Folder folder;
  const std::string path = folder.file("a", 16 * mib);
  const auto store = open_store(path, 16 * mib);
  REQUIRE(store.ok());
  const int fd = store.value().fd.get();
  CHECK(measure_reads(fd, 16 * mib, {32 * mib, 1, false}, 0ms).error().code ==
        ErrorCode::invalid_argument);
  REQUIRE(truncate(path.c_str(), mib) == 0);
  const auto shrunk = measure_reads(fd, 16 * mib, {mib, 16, false}, 0ms);
  REQUIRE_FALSE(shrunk.ok());
  CHECK(shrunk.error().message == "a read came back short: did the file shrink?");
  const auto closed = measure_reads(-1, 16 * mib, {mib, 1, false}, 0ms);
  REQUIRE_FALSE(closed.ok());
  CHECK(closed.error().errno_value == EBADF);
}

TEST_CASE("in a folder a file is written that leaves nothing behind") {
  const Folder folder;
  {
    const auto store = open_store(folder.path, 16 * mib);
    REQUIRE(store.ok());
    CHECK(store.value().kind == "directory");
    struct stat info {};
    REQUIRE(fstat(store.value().fd.get(), &info) == 0);
    CHECK(info.st_size == static_cast<off_t>(16 * mib));
    CHECK(info.st_nlink == 0);
    CHECK(measure_reads(store.value().fd.get(), 16 * mib, {mib, 4, false}, 0ms).ok());
  }
  CHECK(std::filesystem::is_empty(folder.path));
}

TEST_CASE("only disks, files and folders are read") {
  const Folder folder;
  const std::string fifo = folder.path + "/fifo";
  REQUIRE(mkfifo(fifo.c_str(), 0600) == 0);
  CHECK(refusal(fifo) == ErrorCode::invalid_argument);
  CHECK(refusal("/dev/zero") == ErrorCode::invalid_argument);
  CHECK(refusal(folder.path + "/none") == ErrorCode::not_found);
  CHECK(refusal(folder.file("small", mib)) == ErrorCode::invalid_argument);
  CHECK(refusal("/proc/kallsyms") == ErrorCode::unsupported);
  CHECK(refusal(folder.path, uint64_t{1} << 60) == ErrorCode::limit_exceeded);
}
