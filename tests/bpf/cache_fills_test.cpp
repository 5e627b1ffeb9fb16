// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fcntl.h>
#include <linux/types.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "bpf/reader_event.h"
#include "tests/bpf/memory_file_system.h"
#include "tests/bpf/read_ways.h"
#include "tests/bpf/reader_process.h"
#include "tests/bpf/watch.h"
#include "tests/catch.h"

using namespace tuneshift;
using namespace tuneshift::test;

namespace {

const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
const uint64_t pages = 6 * TUNESHIFT_TASK_BYTES / page;  // less than a batch

bool run_on(size_t cpu) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(cpu, &cpus);
  return sched_setaffinity(0, sizeof cpus, &cpus) == 0;
}

// Pages [first, last), each by a read of its own that reads nothing ahead.
bool read_pages(const std::string& path, uint64_t last, uint64_t first = 0, size_t cpu = 0) {
  if (!run_on(cpu)) return false;
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (posix_fadvise(fd.get(), 0, 0, POSIX_FADV_RANDOM) != 0) return false;
  std::vector<char> data(page);
  for (uint64_t at = first; at < last; ++at)
    if (pread(fd.get(), data.data(), page, static_cast<off_t>(at * page)) !=
        static_cast<ssize_t>(page))
      return false;
  return true;
}

bool append(const std::string& path, uint64_t bytes) {
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  const std::vector<char> data(mib, 'w');
  for (uint64_t done = 0; done < bytes; done += mib)
    if (write(fd.get(), data.data(), mib) != mib) return false;
  return true;
}

// By process: a daemon that runs on this machine inspects the file as well. The pages of the
// process's own program may come from a disk meanwhile.
std::vector<Event> fills_of(Watch& watch, pid_t pid) {
  std::vector<Event> events = watch.of(pid);
  std::erase_if(events, [](const Event& event) { return event.has_block_device; });
  return events;
}

}  // namespace

TEST_CASE("without a block device the bytes added to the page cache are counted") {
  const ScratchDirectory directory;
  const uint64_t size = floor_bytes + 12345;
  const MemoryFileSystem store(directory.path() + "/mount", size);
  Watch watch(directory.path());
  REQUIRE(run_reader([&] { return read_sequentially(store.file()); }));
  const FileId file = file_id(store.file());
  CHECK(watch.of(file).empty());  // not attached: cached now, and nothing was told

  const int fd = open(store.file().c_str(), O_RDONLY | O_CLOEXEC);
  REQUIRE(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
  close(fd);
  watch.probes().watch_cache_fills(true);
  ReaderProcess reader([&] { return read_sequentially(store.file()); });
  REQUIRE(reader.finish());
  const std::vector<Event> events = watch.of(file);
  REQUIRE_FALSE(events.empty());
  CHECK(events[0].evidence == Evidence::cache_fill);
  CHECK(events[0].reader.process.pid == reader.pid());
  CHECK_FALSE(events[0].has_block_device);
  CHECK(events[0].bytes <= 16 * mib);
  CHECK(events[0].file_size == size);
  CHECK(is_whole(watch.probes().bytes_seen(events[0].reader), size));
  // A batch belongs to a CPU: one that the reader left behind is counted late, and out of order.
  CHECK(events.back().sequential >= events.back().bytes / 10 * 9);
}

TEST_CASE("misses of any file are counted by process and store while that is asked for") {
  const ScratchDirectory directory;
  const MemoryFileSystem store(directory.path() + "/mount", 4 * mib);  // below the floor
  const FileId file = file_id(store.file());
  Watch watch(directory.path());
  watch.probes().watch_cache_fills(true);
  // Of one that reads the second half, and of nobody.
  const auto misses = [&](pid_t pid) {
    uint64_t sum = 0;
    for (const NeighbourReads& one : watch.probes().take_neighbour_reads()) {
      const bool here = one.store == DeviceNumber{file.device_major, file.device_minor};
      if (here && (pid == 0 || one.pid == pid)) sum += one.misses;
    }
    return sum;
  };
  REQUIRE(run_reader([&] { return read_pages(store.file(), pages); }));
  CHECK(misses(0) == 0);

  watch.probes().watch_neighbours(true);
  ReaderProcess reader([&] { return read_pages(store.file(), 2 * pages, pages); });
  REQUIRE(reader.finish());
  CHECK(misses(reader.pid()) == pages);
  CHECK(misses(0) == 0);  // taken

  watch.probes().watch_neighbours(false);
  REQUIRE(run_reader([&] { return read_pages(store.file(), 2 * pages + 9, 2 * pages); }));
  CHECK(misses(0) == 0);
}

TEST_CASE("pages that are still in a batch count at once") {
  const ScratchDirectory directory;
  const MemoryFileSystem store(directory.path() + "/mount", floor_bytes);
  Watch watch(directory.path());
  watch.probes().watch_cache_fills(true);
  ReaderProcess reader([&] { return read_pages(store.file(), pages); });
  REQUIRE(reader.finish());
  const std::vector<Event> events = fills_of(watch, reader.pid());
  REQUIRE(events.size() == 1);
  CHECK(events[0].bytes == page);
  CHECK(watch.probes().bytes_seen(events[0].reader) == pages * page);

  // Another reader on the same CPU puts the batch away: nothing is lost, nothing counts twice.
  ReaderProcess other([&] { return read_pages(store.file(), 2 * pages, pages); });
  REQUIRE(other.finish());
  CHECK(watch.probes().bytes_seen(events[0].reader) == pages * page);
  const std::vector<Event> later = fills_of(watch, other.pid());
  REQUIRE(later.size() == 1);
  CHECK(watch.probes().bytes_seen(later[0].reader) == pages * page);
}

TEST_CASE("what the daemon's children fill is nobody's, whoever goes on behind them") {
  const ScratchDirectory directory;
  const MemoryFileSystem store(directory.path() + "/mount", floor_bytes);
  Watch watch(directory.path());
  watch.probes().watch_cache_fills(true);
  const uint64_t most = 3 * TUNESHIFT_BATCH_BYTES / page + pages;
  const auto fill_as_child = [&](uint64_t last, uint64_t first) {
    const pid_t child = fork();
    if (child == 0) _exit(read_pages(store.file(), last, first) ? 0 : 1);
    int status = -1;
    REQUIRE(waitpid(child, &status, 0) == child);
    REQUIRE(status == 0);
    CHECK(watch.of(child).empty());
  };
  fill_as_child(most, 0);
  ReaderProcess reader([&] { return read_pages(store.file(), most + pages, most); });
  REQUIRE(reader.finish());
  fill_as_child(2 * most, most + pages);
  // By process: a daemon that runs on this machine inspects the file as well.
  const std::vector<Event> events = fills_of(watch, reader.pid());
  REQUIRE(events.size() == 1);
  CHECK(watch.probes().bytes_seen(events[0].reader) == pages * page);
}

TEST_CASE("a reader that changes CPUs does not seem to jump, one that jumps does") {
  if (sysconf(_SC_NPROCESSORS_ONLN) < 2) return;
  const ScratchDirectory directory;
  const MemoryFileSystem store(directory.path() + "/mount", floor_bytes);
  const uint64_t end = floor_bytes / page;
  const uint64_t stay = pages + 1;  // which ends within a batch
  Watch watch(directory.path());
  watch.probes().watch_cache_fills(true);
  const bool backwards = GENERATE(false, true);
  ReaderProcess reader([&] {
    const uint64_t turns = (end + stay - 1) / stay;
    for (uint64_t turn = 0; turn < turns; ++turn) {
      const uint64_t first = (backwards ? turns - 1 - turn : turn) * stay;
      if (!read_pages(store.file(), std::min(end, first + stay), first, turn % 2)) return false;
    }
    return true;
  });
  REQUIRE(reader.finish());
  const std::vector<Event> events = fills_of(watch, reader.pid());
  REQUIRE_FALSE(events.empty());
  const Event& last = events.back();
  if (backwards) {
    CHECK(last.jumps + 2 >= last.bytes / (stay * page));
  } else {
    CHECK(last.jumps == 0);
    CHECK(last.sequential == last.bytes);
  }
}

TEST_CASE("appending to a file without a block device is no cache fill") {
  const ScratchDirectory directory;
  const MemoryFileSystem store(directory.path() + "/mount", floor_bytes);
  Watch watch(directory.path());
  watch.probes().watch_cache_fills(true);
  REQUIRE(run_reader([&] { return append(store.file(), 16 * mib); }));
  CHECK(watch.of(file_id(store.file())).empty());
}

TEST_CASE("cache fills can be attached and detached again and again") {
  const ScratchDirectory directory;
  Watch watch(directory.path());
  const auto state = [&] { return watch.probes().signals().at("cache_fills"); };
  for (int round = 0; round < 3; ++round) {
    watch.probes().watch_cache_fills(true);
    CHECK(state().why.substr(0, 8) == "attached");
    watch.probes().watch_cache_fills(false);
    CHECK(state().why.substr(0, 6) == "loaded");
    CHECK(state().tier == Tier::ok);
  }
}
