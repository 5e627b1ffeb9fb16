// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/bpf/read_ways.h"
#include "tests/bpf/reader_process.h"
#include "tests/bpf/watch.h"
#include "tests/catch.h"

using namespace tuneshift;
using namespace tuneshift::test;

namespace {

bool map_descriptor(int fd, size_t length) {
  void* memory = mmap(nullptr, length, PROT_READ, MAP_PRIVATE, fd, 0);
  return memory != MAP_FAILED && munmap(memory, length) == 0;
}

bool map_file(const std::string& path, size_t length) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return map_descriptor(fd.get(), length);
}

}  // namespace

TEST_CASE("mapping a cached file is seen, without a byte") {
  const ScratchDirectory directory;
  const ColdFile file(directory, floor_bytes);
  REQUIRE(read_sequentially(file.path()));
  Watch watch(directory.path());
  ReaderProcess reader([&] { return map_file(file.path(), file.size()); });
  REQUIRE(reader.finish());
  const std::vector<Event> events = watch.of(file.id());
  REQUIRE(events.size() == 1);
  CHECK(events[0].evidence == Evidence::mapping);
  CHECK(events[0].reader.process.pid == reader.pid());
  CHECK(events[0].bytes == 0);
  CHECK(events[0].file_size == floor_bytes);
  CHECK(events[0].has_block_device);
}

TEST_CASE("mapping a cold file is told before its first page is read, which is told again") {
  const ScratchDirectory directory;
  const ColdFile file(directory, floor_bytes);
  Watch watch(directory.path());
  REQUIRE(run_reader([&] { return read_mapped(file.path()); }));
  const std::vector<Event> events = watch.of(file.id());
  REQUIRE(events.size() > 2);
  CHECK(events[0].evidence == Evidence::mapping);
  CHECK(events[0].bytes == 0);
  CHECK(events[1].evidence == Evidence::read_miss);
  CHECK(events[1].bytes <= 16 * mib);
  CHECK(events[1].first_ns == events[0].time_ns);
}

TEST_CASE("mapping one file again and again is told once a second") {
  const ScratchDirectory directory;
  const ColdFile file(directory, floor_bytes);
  Watch watch(directory.path());
  REQUIRE(run_reader([&] {
    for (int i = 0; i < 1000; ++i)
      if (!map_file(file.path(), file.size())) return false;
    return true;
  }));
  CHECK(watch.of(file.id()).size() < 100);
}

TEST_CASE("a small window on a large file is no mapping event") {
  const ScratchDirectory directory;
  const ColdFile file(directory, floor_bytes);
  Watch watch(directory.path());
  REQUIRE(run_reader([&] { return map_file(file.path(), mib); }));
  CHECK(watch.of(file.id()).empty());
}

TEST_CASE("mapping memory that has a descriptor is no mapping event, mapping a file in tmpfs is") {
  const ScratchDirectory directory;
  Watch watch(directory.path());
  const bool is_file = GENERATE(false, true);
  const UniqueFd fd(is_file ? open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)
                            : memfd_create("memory", MFD_CLOEXEC));
  REQUIRE(fd.get() >= 0);
  REQUIRE(ftruncate(fd.get(), floor_bytes) == 0);
  ReaderProcess reader([&] { return map_descriptor(fd.get(), floor_bytes); });
  REQUIRE(reader.finish());
  const std::vector<Event> events = watch.of(reader.pid());
  REQUIRE(events.size() == (is_file ? 1U : 0U));
  if (is_file) CHECK_FALSE(events[0].has_block_device);
}
