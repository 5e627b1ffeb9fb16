// SPDX-License-Identifier: LGPL-2.1-or-later
// The real tuneshift-follow beside processes that map, touch, unmap and read a file.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <map>
#include <vector>

#include "daemon/follow_protocol.h"
#include "daemon/followers.h"
#include "daemon/loop.h"
#include "tests/catch.h"
#include "tests/prefetch/fetching.h"

using namespace tuneshift;
using namespace tuneshift::testing;

namespace {

constexpr uint64_t file_bytes = 64 * mib;
constexpr size_t page = 4096;
constexpr size_t parts = 1024;  // of such a file
constexpr size_t alone = 20;    // each is seen by a look of its own: more than the early ones

/// Followers on a loop of their own that keep what was said last of each reader.
struct Following {
  Loop loop;
  std::map<Reader, FollowReport> said;
  Followers followers{
      loop.get(), TUNESHIFT_FOLLOW,
      [this](const Reader& reader, const FollowReport& report) { said[reader] = report; },
      [this] { ++lost; }};
  unsigned lost = 0;  ///< that ended by themselves

  template <typename Holds>
  void run_until(Holds holds) {
    while (!holds()) REQUIRE(sd_event_run(loop.get(), 60'000'000) > 0);
  }
  void run_until_covered(const Reader& reader, size_t least) {
    run_until([&] { return said[reader].coverage.count() >= least; });
  }
};

const char* map_file(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY);
  void* const at = mmap(nullptr, file_bytes, PROT_READ, MAP_SHARED, fd, 0);
  close(fd);
  return at == MAP_FAILED ? nullptr : static_cast<const char*>(at);
}

void touch(const volatile char* from, uint64_t bytes) {
  for (uint64_t at = 0; at < bytes; at += page) (void)from[at];
}

}  // namespace

TEST_CASE("a task and a report arrive as they were given", "[follow]") {
  const FollowTask task{{{4711, 12345}, {8, 3, 99}}, 10 * mib};
  const auto got = parse_follow_task(format_follow_task(task));
  REQUIRE(got.ok());
  CHECK(got.value().reader == task.reader);
  CHECK(got.value().file_size == 10 * mib);
  CHECK_FALSE(parse_follow_task(format_follow_task(task) + "x").ok());
  CHECK_FALSE(parse_follow_task("").ok());
  CHECK_FALSE(parse_follow_task(format_follow_task({{{0, 1}, {8, 3, 99}}, 1})).ok());
  CHECK_FALSE(parse_follow_task(format_follow_task({{{1, 1}, {8, 3, 99}}, 0})).ok());

  FollowReport report;
  report.coverage.set(7);
  report.read_bytes = 42;
  std::string packet = format_follow_report(report);
  REQUIRE(parse_follow_report(packet).ok());
  CHECK(parse_follow_report(packet).value().coverage == report.coverage);
  CHECK(parse_follow_report(packet).value().read_bytes == 42);
  packet[0] = 77;
  CHECK_FALSE(parse_follow_report(packet).ok());
  CHECK_FALSE(parse_follow_report(packet.substr(1)).ok());
}

TEST_CASE("what a reader touches is seen, and stays seen when it is unmapped", "[follow]") {
  const testing::Scratch scratch;
  const std::string path = scratch.file("model", "x", file_bytes);
  Process reader([&] {
    const char* const at = map_file(path);
    if (at == nullptr || !drop_root()) return false;
    Process::wait_for_go();
    touch(at, file_bytes / 2);
    Process::wait_for_go();
    munmap(const_cast<char*>(at), file_bytes);
    const char* const again = map_file(path);
    if (again == nullptr) return false;
    touch(again + file_bytes / 2, file_bytes / 2);
    return true;
  });
  const Reader id = reader_of(reader, path);
  Following following;
  REQUIRE(following.followers.start(id, file_bytes).ok());
  reader.go();
  following.run_until_covered(id, parts / 2);
  // Faults map some pages around.
  CHECK(following.said[id].coverage.count() <= parts / 2 + 2);
  CHECK_FALSE(following.said[id].coverage.has(parts - 1));
  reader.go();
  following.run_until_covered(id, parts);
}

TEST_CASE("one page of each part, touched in no order, is seen", "[follow]") {
  const testing::Scratch scratch;
  const std::string path = scratch.file("model", "x", file_bytes);
  Process reader([&] {
    const volatile char* const at = map_file(path);
    if (at == nullptr) return false;
    for (size_t touched = 0; touched < alone; ++touched) {
      Process::wait_for_go();
      (void)at[Coverage::place(2 * touched, file_bytes)];
    }
    Process::wait_for_go();
    // All but two of eight, which a look that goes through them by turns comes to last.
    for (size_t part = parts; part-- > 0;) {
      if (part % 8 != 5 && part % 8 != 6) (void)at[Coverage::place(part, file_bytes)];
    }
    return true;
  });
  const Reader id = reader_of(reader, path);
  Following following;
  REQUIRE(following.followers.start(id, file_bytes).ok());
  for (size_t touched = 1; touched <= alone; ++touched) {
    reader.go();
    following.run_until_covered(id, touched);
  }
  reader.go();
  following.run_until_covered(id, parts / 4 * 3);
}

TEST_CASE("another file that a reader maps is not taken for its model", "[follow]") {
  const testing::Scratch scratch;
  const std::string path = scratch.file("model", "x", file_bytes);
  const std::string other = scratch.file("library", "x", file_bytes);
  Process reader([&] {
    const char* const model = map_file(path);
    const char* const library = map_file(other);
    if (model == nullptr || library == nullptr) return false;
    touch(library, file_bytes);
    Process::wait_for_go();
    touch(model, file_bytes / 4);
    return true;
  });
  const Reader id = reader_of(reader, path);
  Following following;
  REQUIRE(following.followers.start(id, file_bytes).ok());
  reader.go();
  following.run_until_covered(id, parts / 4);
  CHECK(following.said[id].coverage.count() <= parts / 4 + 2);
  CHECK(following.followers.follows(id));
  reader.end();
  following.run_until([&] { return following.lost == 1; });
  CHECK_FALSE(following.followers.follows(id));
}

TEST_CASE("what a reader reads without a mapping is counted", "[follow]") {
  const testing::Scratch scratch;
  const std::string path = scratch.file("model", "x", file_bytes);
  Process reader([&] {
    const int fd = open(path.c_str(), O_RDONLY);
    std::vector<char> buffer(mib);
    Process::wait_for_go();
    for (int i = 0; i < 8; ++i) {
      if (read(fd, buffer.data(), buffer.size()) != static_cast<ssize_t>(buffer.size()))
        return false;
    }
    return true;
  });
  const Reader id = reader_of(reader, path);
  Following following;
  REQUIRE(following.followers.start(id, file_bytes).ok());
  // It counts from its first look on.
  following.run_until([&] { return following.said.contains(id); });
  reader.go();
  following.run_until([&] { return following.said[id].read_bytes >= 8 * mib; });
  CHECK(following.said[id].coverage.count() == 0);
}

TEST_CASE("a follower ends with its reader, and when it is told", "[follow]") {
  const testing::Scratch scratch;
  const std::string path = scratch.file("model", "x", file_bytes);
  Following following;
  {
    Process reader([&] { return map_file(path) != nullptr; });
    REQUIRE(following.followers.start(reader_of(reader, path), file_bytes).ok());
    reader.end();
  }
  following.run_until([] { return child_named("tuneshift-follo") == 0; });
  Process reader([&] { return map_file(path) != nullptr; });
  const Reader id = reader_of(reader, path);
  REQUIRE(setpriority(PRIO_PROCESS, 0, -10) == 0);
  const bool started = following.followers.start(id, file_bytes).ok();
  REQUIRE(setpriority(PRIO_PROCESS, 0, 0) == 0);
  REQUIRE(started);
  // It has its own name only once it runs.
  following.run_until([&] { return following.said.contains(id); });
  const pid_t follower = child_named("tuneshift-follo");
  REQUIRE(follower > 0);
  CHECK(getpriority(PRIO_PROCESS, static_cast<id_t>(follower)) == 0);
  following.followers.stop(id);
  following.run_until([] { return child_named("tuneshift-follo") == 0; });
}
