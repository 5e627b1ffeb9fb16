// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <sstream>

#include "tests/bpf/read_ways.h"
#include "tests/bpf/reader_process.h"
#include "tests/bpf/watch.h"
#include "tests/catch.h"

using namespace tuneshift;
using namespace tuneshift::test;

namespace {

constexpr uint64_t file_bytes = 96 * mib;
constexpr uint64_t step_bytes = 8 * mib;

// Field 22 of /proc/PID/stat, in ticks since boot; the name before it may hold anything but ')'.
uint64_t start_ticks(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  const std::string text((std::istreambuf_iterator<char>(stat)), {});
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string field;
  for (int i = 3; i <= 22; ++i) fields >> field;
  return std::stoull(field);
}

std::string own_command() {
  std::string name;
  std::getline(std::ifstream("/proc/self/comm"), name);
  return name;
}

struct Way {
  const char* name;
  bool (*read)(const std::string& path);
  Evidence evidence;
};

std::vector<Event> misses(const std::vector<Event>& events) {
  std::vector<Event> found;
  for (const Event& event : events)
    if (event.evidence != Evidence::mapping) found.push_back(event);
  return found;
}

}  // namespace

TEST_CASE("every byte of a cold read is counted for its process and file") {
  const Way way = GENERATE(Way{"mmap", read_mapped, Evidence::read_miss},
                           Way{"read", read_sequentially, Evidence::read_miss},
                           Way{"4 threads", read_in_threads, Evidence::read_miss},
                           Way{"O_DIRECT", read_directly, Evidence::direct_read},
                           Way{"io_uring", read_by_io_uring, Evidence::read_miss});
  CAPTURE(way.name);
  const ScratchDirectory directory;
  const ColdFile file(directory, file_bytes);
  Watch watch(directory.path());
  CAPTURE(watch.probes().signals().at("reads").why);
  watch.probes().watch_cache_fills(true);  // must not count the same bytes again

  ReaderProcess reader([&] { return way.read(file.path()); });
  const uint64_t started = start_ticks(reader.pid());
  reader.start();
  REQUIRE(watch.wait_for(file.id()));
  REQUIRE(reader.finish());

  const std::vector<Event> events = misses(watch.of(file.id()));
  REQUIRE_FALSE(events.empty());
  const Event& first = events.front();
  CHECK(first.reader.process.pid == reader.pid());
  CHECK(first.reader.process.start_ns / (1000000000 / sysconf(_SC_CLK_TCK)) == started);
  CHECK(first.evidence == way.evidence);
  CHECK(first.bytes > 0);
  CHECK(first.bytes <= 16 * mib);
  CHECK(first.file_size == file_bytes);
  CHECK(first.has_block_device);
  CHECK(first.command == own_command());
  CHECK(first.first_ns <= first.time_ns);
  CHECK(events.size() >= file_bytes / step_bytes / 2);
  CHECK(events.size() <= file_bytes / step_bytes + 1);
  uint64_t seen = watch.probes().bytes_seen(first.reader);
  // A machine under pressure takes pages back in between, and they are read twice: not three times
  // in a row.
  for (int again = 0; again < 2 && !is_whole(seen, file_bytes); ++again) {
    WARN(way.name << ": " << seen << " of " << file_bytes << " bytes, once more");
    file.make_cold();
    REQUIRE(run_reader([&] { return way.read(file.path()); }));
    seen = watch.probes().bytes_seen(watch.of(file.id()).back().reader);
  }
  CAPTURE(seen, file_bytes);
  CHECK(is_whole(seen, file_bytes));
  CHECK(watch.probes().dropped_events() == 0);
}

TEST_CASE("a sequential read is told from a scattered one") {
  const ScratchDirectory directory;
  const ColdFile file(directory, file_bytes);
  Watch watch(directory.path());
  const bool direct = GENERATE(false, true);
  CAPTURE(direct);
  REQUIRE(run_reader(
      [&] { return direct ? read_directly(file.path()) : read_sequentially(file.path()); }));
  REQUIRE_FALSE(watch.of(file.id()).empty());
  const Event last = watch.of(file.id()).back();
  CHECK(last.sequential > last.bytes / 2);

  file.make_cold();
  REQUIRE(run_reader([&] {
    const UniqueFd fd(open(file.path().c_str(), O_RDONLY | O_CLOEXEC | (direct ? O_DIRECT : 0)));
    alignas(4096) static char block[1 << 16];
    posix_fadvise(fd.get(), 0, 0, POSIX_FADV_RANDOM);
    for (uint64_t end = file_bytes; end > 0; end -= sizeof block)
      if (pread(fd.get(), block, sizeof block, static_cast<off_t>(end - sizeof block)) < 0)
        return false;
    return true;
  }));
  const Event backwards = watch.of(file.id()).back();
  REQUIRE(backwards.reader != last.reader);
  CHECK(backwards.sequential < backwards.bytes / 2);
}
