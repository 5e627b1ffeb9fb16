// SPDX-License-Identifier: LGPL-2.1-or-later
// Files that leave the page cache after their load: the real tuneshift-drop, and what it does
// without its waits.
#include "daemon/drop/drop.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>
#include <vector>

#include "daemon/dropper.h"
#include "daemon/loop.h"
#include "tests/bpf/cold_file.h"
#include "tests/catch.h"
#include "tests/prefetch/fetching.h"

using namespace tuneshift;
using namespace tuneshift::testing;
using tuneshift::test::ColdFile;

namespace {

constexpr uint64_t file_bytes = 8 * mib;
constexpr size_t page = 4096;

bool read_all(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY);
  std::vector<char> data(file_bytes);
  const bool whole = read(fd, data.data(), data.size()) == static_cast<ssize_t>(file_bytes);
  close(fd);
  return whole;
}

// Maps and touches it; unmaps it when told to go on.
bool map_until_told(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY);
  void* const at = mmap(nullptr, file_bytes, PROT_READ, MAP_SHARED, fd, 0);
  close(fd);
  if (at == MAP_FAILED) return false;
  for (size_t i = 0; i < file_bytes; i += page) (void)static_cast<const volatile char*>(at)[i];
  Process::wait_for_go();
  return munmap(at, file_bytes) == 0;
}

DropTask task_for(const Process& process, const ColdFile& file) {
  return {process.id(), {{file.id(), file.size(), file.path()}}};
}

// What drop_files() says that waits for nothing.
DropReport drop_at_once(const DropTask& task) {
  const pid_t child = fork();
  if (child == 0) {
    // It may not write afterwards: what it says is in how it ends.
    const DropReport report =
        drop_files(open("/", O_PATH | O_DIRECTORY), task, [](uint64_t) { return true; });
    _exit(report.trouble.empty()                                    ? static_cast<int>(report.files)
          : report.trouble.find("mapped") != std::string::npos      ? 101
          : report.trouble.find("ended") != std::string::npos       ? 102
          : report.trouble.find("where they") != std::string::npos  ? 103
          : report.trouble.find("by its user") != std::string::npos ? 104
                                                                    : 105);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  const int code = WEXITSTATUS(status);
  if (code < 101) return {static_cast<uint32_t>(code), ""};
  constexpr const char* troubles[] = {"mapped", "ended", "not there", "may not", "other"};
  return {0, troubles[code - 101]};
}

struct Dropping {
  Loop loop;
  std::optional<DropReport> said;
  Dropper dropper{loop.get(), TUNESHIFT_DROP,
                  [this](uint32_t load, const DropTask&, const DropReport& report) {
                    CHECK(load == 7);
                    said = report;
                  }};

  void run_until_said() {
    while (!said) REQUIRE(sd_event_run(loop.get(), 60'000'000) > 0);
  }
};

}  // namespace

TEST_CASE("a task to drop files arrives as it was given", "[drop]") {
  const DropTask task{{42, 7}, {{{8, 1, 99}, 1000, "/models/a"}, {{8, 2, 98}, 2000, ""}}};
  const auto packet = format_drop_task(task);
  REQUIRE(packet.ok());
  const auto parsed = parse_drop_task(packet.value());
  REQUIRE(parsed.ok());
  CHECK(parsed.value().process == task.process);
  REQUIRE(parsed.value().files.size() == 2);
  CHECK(parsed.value().files[0].path == "/models/a");
  CHECK(parsed.value().files[1].file == FileId{8, 2, 98});
  CHECK(parsed.value().files[1].size == 2000);
  for (size_t cut = 0; cut < packet.value().size(); ++cut) {
    CHECK_FALSE(parse_drop_task(packet.value().substr(0, cut)).ok());
  }
  CHECK_FALSE(parse_drop_task(packet.value() + "x").ok());
  DropTask large = task;
  large.files.assign(2000, {{8, 1, 99}, 1000, std::string(100, 'a')});
  CHECK(format_drop_task(large).error().code == ErrorCode::limit_exceeded);
}

TEST_CASE("a report on dropped files is believed as far as it can be true", "[drop]") {
  const auto report = parse_drop_report(format_drop_report({3, std::string(300, 'x')}));
  REQUIRE(report.ok());
  CHECK(report.value().files == 3);
  CHECK(report.value().trouble == std::string(255, 'x'));
  CHECK_FALSE(parse_drop_report(format_drop_report({3, "a\nb"})).ok());
  CHECK_FALSE(parse_drop_report("short").ok());
}

TEST_CASE("what a loader has read leaves the page cache", "[drop]") {
  const test::ScratchDirectory directory;
  const ColdFile file(directory, file_bytes);
  Process reader([&] { return read_all(file.path()) && drop_root(); });
  REQUIRE(chmod(directory.path().c_str(), 0755) == 0);
  REQUIRE(chmod(file.path().c_str(), 0644) == 0);
  Dropping dropping;
  REQUIRE(dropping.dropper.start(7, 0, task_for(reader, file)).ok());
  dropping.run_until_said();
  CHECK(dropping.said->trouble == "");
  CHECK(dropping.said->files == 1);
  CHECK(has_resident(file.path(), 0));
}

TEST_CASE("what drops files does not have the daemon's priority", "[drop]") {
  const test::ScratchDirectory directory;
  const ColdFile file(directory, file_bytes);
  Process reader([&] { return read_all(file.path()); });
  Dropping dropping;
  REQUIRE(setpriority(PRIO_PROCESS, 0, -10) == 0);
  const bool started = dropping.dropper.start(7, 0, task_for(reader, file)).ok();
  REQUIRE(setpriority(PRIO_PROCESS, 0, 0) == 0);
  REQUIRE(started);
  // It waits for seconds before it looks.
  const auto has_usual = [] {
    const pid_t helper = child_named("tuneshift-drop");
    return helper > 0 && getpriority(PRIO_PROCESS, static_cast<id_t>(helper)) == 0;
  };
  for (int tries = 0; tries < 200 && !has_usual(); ++tries) usleep(10'000);
  CHECK(has_usual());
}

TEST_CASE("what a loader has mapped stays until it is unmapped", "[drop]") {
  const test::ScratchDirectory directory;
  const ColdFile file(directory, file_bytes);
  Process reader([&] { return map_until_told(file.path()); });
  CHECK(drop_at_once(task_for(reader, file)).trouble == "mapped");
  CHECK(has_resident(file.path(), file_bytes));
  reader.go();
  CHECK(drop_at_once(task_for(reader, file)).files == 1);
  CHECK(has_resident(file.path(), 0));
}

TEST_CASE("what somebody else has mapped stays", "[drop]") {
  const test::ScratchDirectory directory;
  const ColdFile file(directory, file_bytes);
  Process other([&] { return map_until_told(file.path()); });
  Process reader([&] { return read_all(file.path()); });
  CHECK(drop_at_once(task_for(reader, file)).files == 1);
  CHECK(has_resident(file.path(), file_bytes));
  other.go();
}

TEST_CASE("nothing is dropped of another file than was loaded", "[drop]") {
  const test::ScratchDirectory directory;
  const ColdFile file(directory, file_bytes);
  REQUIRE(chmod(directory.path().c_str(), 0755) == 0);
  REQUIRE(chmod(file.path().c_str(), 0644) == 0);
  Process reader([&] { return read_all(file.path()) && drop_root(); });
  DropTask task = task_for(reader, file);
  SECTION("another inode") {
    ++task.files[0].file.inode;
  }
  SECTION("another device") {
    ++task.files[0].file.device_minor;
  }
  SECTION("another size") {
    ++task.files[0].size;
  }
  SECTION("another path") {
    task.files[0].path += "x";
  }
  SECTION("a pipe in its place") {
    REQUIRE(unlink(file.path().c_str()) == 0);
    REQUIRE(mkfifo(file.path().c_str(), 0644) == 0);
    CHECK(drop_at_once(task).trouble == "not there");
    return;
  }
  CHECK(drop_at_once(task).trouble == "not there");
  CHECK(has_resident(file.path(), file_bytes));
}

TEST_CASE("what its user may not open is not dropped", "[drop]") {
  const test::ScratchDirectory directory;
  const ColdFile file(directory, file_bytes);
  REQUIRE(chmod(directory.path().c_str(), 0755) == 0);
  REQUIRE(chmod(file.path().c_str(), 0600) == 0);
  Process reader([&] { return read_all(file.path()) && drop_root(); });
  CHECK(drop_at_once(task_for(reader, file)).trouble == "may not");
  CHECK(has_resident(file.path(), file_bytes));
}

TEST_CASE("a user has some loads dropped at once, and no more", "[drop]") {
  const test::ScratchDirectory directory;
  const ColdFile file(directory, file_bytes);
  Process reader([&] { return read_all(file.path()); });
  Dropping dropping;
  for (unsigned i = 0; i < Dropper::most_a_user; ++i) {
    REQUIRE(dropping.dropper.start(7, 5, task_for(reader, file)).ok());
  }
  CHECK(dropping.dropper.start(7, 5, task_for(reader, file)).error().code ==
        ErrorCode::limit_exceeded);
  CHECK(dropping.dropper.start(7, 6, task_for(reader, file)).ok());
  dropping.dropper.stop_all("enough");
  CHECK(dropping.said->trouble == "enough");
}

TEST_CASE("nothing is dropped for a loader that has ended", "[drop]") {
  const test::ScratchDirectory directory;
  const ColdFile file(directory, file_bytes);
  Process reader([&] { return read_all(file.path()); });
  const DropTask task = task_for(reader, file);
  Dropping dropping;
  REQUIRE(dropping.dropper.start(7, 0, task).ok());
  reader.end();
  dropping.run_until_said();
  CHECK(dropping.said->files == 0);
  // Before the helper had looked, or after.
  INFO(dropping.said->trouble);
  CHECK(dropping.said->trouble.find("process") != std::string::npos);
  CHECK(has_resident(file.path(), file_bytes));
}

TEST_CASE("who reads a file again keeps it", "[drop]") {
  const test::ScratchDirectory directory;
  const ColdFile file(directory, file_bytes);
  const test::ScratchDirectory elsewhere;
  const ColdFile other(elsewhere, file_bytes);
  Process reader([&] { return read_all(file.path()) && read_all(other.path()); });
  Dropping dropping;
  REQUIRE(dropping.dropper.start(7, 0, task_for(reader, file)).ok());
  dropping.dropper.stop(file.id(), "it is read again");
  CHECK(dropping.said->trouble == "it is read again");
  dropping.said.reset();
  REQUIRE(dropping.dropper.start(7, 0, task_for(reader, other)).ok());
  dropping.run_until_said();
  CHECK(dropping.said->files == 1);
  CHECK(has_resident(file.path(), file_bytes));
  CHECK(has_resident(other.path(), 0));
}
