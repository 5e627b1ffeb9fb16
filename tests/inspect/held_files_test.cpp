// SPDX-License-Identifier: LGPL-2.1-or-later
// The large files that a process holds, asked of the real helper.
#include "daemon/held_files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/catch.h"
#include "tests/inspect/asking.h"
#include "tests/inspect/readers.h"

using namespace tuneshift;
using namespace tuneshift::testing;

namespace {

constexpr uint64_t gib = 1 << 30;  // sparse, and larger than any library

std::vector<HeldFile> held_by(const ProcessId& process, uint64_t floor_bytes) {
  return Asking().held_files(process, floor_bytes).value();
}

}  // namespace

TEST_CASE("the files that a process has open, the last one first, and those mapped alone") {
  const Scratch scratch;
  const std::string first = scratch.file("first", "", 4 * gib);
  const std::string second = scratch.file("second", "", 5 * gib);
  const std::string mapped = scratch.file("mapped", "", 6 * gib);
  const std::string small = scratch.file("small", "", gib);
  Process process([&] {
    const int fd = open(mapped.c_str(), O_RDONLY);
    const bool is_mapped =
        mmap(nullptr, 6 * gib, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED && close(fd) == 0;
    return is_mapped && open(first.c_str(), O_RDONLY) >= 0 && open(second.c_str(), O_RDONLY) >= 0 &&
           open(first.c_str(), O_RDONLY) >= 0 && open(small.c_str(), O_RDONLY) >= 0 &&
           open("/dev/null", O_RDONLY) >= 0;
  });
  const auto files = held_by(process.id(), 4 * gib);
  REQUIRE(files.size() == 3);
  CHECK(files[0].file == reader_of(process, first).file);
  CHECK(files[0].size == 4 * gib);
  CHECK(files[1].file == reader_of(process, second).file);
  CHECK(files[2].file == reader_of(process, mapped).file);
  CHECK(held_by(process.id(), 7 * gib).empty());
}

TEST_CASE("a process that has gone holds nothing") {
  Process process([] { return true; });
  ProcessId later = process.id();
  later.start_ns += 1'000'000'000;
  CHECK(held_by(later, 1).empty());
}

TEST_CASE("a list of files comes through the helper's packet unchanged") {
  const std::vector<HeldFile> files = {{{254, 1048575, 7}, INT64_MAX, true},
                                       {{0, 44, UINT64_MAX}, 0, false}};
  const auto parsed = parse_held_files(format_held_files(files));
  REQUIRE(parsed.ok());
  REQUIRE(parsed.value().size() == 2);
  CHECK(parsed.value()[0].file == files[0].file);
  CHECK(parsed.value()[0].size == files[0].size);
  CHECK(parsed.value()[0].has_disk);
  CHECK(parsed.value()[1].file == files[1].file);
  CHECK_FALSE(parsed.value()[1].has_disk);
  CHECK(parse_held_files(format_held_files({})).value().empty());
  const std::vector<HeldFile> many(2 * most_held_files, files[0]);
  CHECK(parse_held_files(format_held_files(many)).value().size() == most_held_files);
}

TEST_CASE("a list of files that is cut, too long or out of range is refused") {
  const std::string packet = format_held_files({{{8, 1, 7}, 4096, true}});
  REQUIRE(parse_held_files(packet).ok());
  for (size_t length = 0; length < packet.size(); ++length) {
    CAPTURE(length);
    const bool is_empty_list = length == format_held_files({}).size();
    CHECK(parse_held_files(packet.substr(0, length)).ok() == is_empty_list);
  }
  const std::string record = packet.substr(format_held_files({}).size());
  std::string longer = packet;
  for (size_t i = 0; i < most_held_files; ++i) longer += record;
  CHECK_FALSE(parse_held_files(longer).ok());
  for (const HeldFile& wrong :
       {HeldFile{{4096, 1, 7}, 1, true}, HeldFile{{8, 1 << 20, 7}, 1, true},
        HeldFile{{8, 1, 0}, 1, true}, HeldFile{{8, 1, 7}, UINT64_MAX, true}}) {
    CHECK_FALSE(parse_held_files(format_held_files({wrong})).ok());
  }
  std::string flag = packet;
  flag[flag.size() - 8] = 2;
  CHECK_FALSE(parse_held_files(flag).ok());
}
