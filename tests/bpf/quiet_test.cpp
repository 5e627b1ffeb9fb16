// SPDX-License-Identifier: LGPL-2.1-or-later
// What the probes must not tell of.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <thread>
#include <vector>

#include "tests/bpf/read_ways.h"
#include "tests/bpf/reader_process.h"
#include "tests/bpf/watch.h"
#include "tests/catch.h"

using namespace tuneshift;
using namespace tuneshift::test;

TEST_CASE("a warm file gives no event") {
  const ScratchDirectory directory;
  const ColdFile file(directory, floor_bytes);
  // Locked in memory: this machine may take pages back at any time. The sanitizers turn mlock(2)
  // into nothing, but not the flag.
  const UniqueFd fd(open(file.path().c_str(), O_RDONLY | O_CLOEXEC));
  void* pages = mmap(nullptr, file.size(), PROT_READ, MAP_SHARED | MAP_LOCKED, fd.get(), 0);
  REQUIRE(pages != MAP_FAILED);
  std::vector<unsigned char> resident(file.size() / static_cast<uint64_t>(sysconf(_SC_PAGESIZE)));
  REQUIRE(mincore(pages, file.size(), resident.data()) == 0);
  REQUIRE(std::all_of(resident.begin(), resident.end(), [](auto page) { return page & 1; }));
  Watch watch(directory.path());
  REQUIRE(run_reader([&] { return read_sequentially(file.path()); }));
  CHECK(watch.of(file.id()).empty());
  munmap(pages, file.size());
}

TEST_CASE("a file below the floor gives no event, read or mapped") {
  const ScratchDirectory directory;
  const ColdFile file(directory, floor_bytes - mib);
  Watch watch(directory.path());
  REQUIRE(run_reader([&] { return read_sequentially(file.path()); }));
  file.make_cold();
  REQUIRE(run_reader([&] { return read_mapped(file.path()); }));
  CHECK(watch.of(file.id()).empty());
}

TEST_CASE("writing gives no event") {
  const ScratchDirectory directory;
  Watch watch(directory.path());
  watch.probes().watch_cache_fills(true);
  const std::string path = directory.path() + "/written";
  REQUIRE(run_reader([&] {
    const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    const std::vector<char> data(mib, 'w');
    for (uint64_t offset = 0; offset < 2 * floor_bytes; offset += mib)
      if (pwrite(fd.get(), data.data(), mib, static_cast<off_t>(offset)) != mib) return false;
    return fsync(fd.get()) == 0;
  }));
  CHECK(watch.of(file_id(path)).empty());
}

TEST_CASE("the daemon's own reads and its children's give no event") {
  const ScratchDirectory directory;
  const ColdFile file(directory, floor_bytes);
  Watch watch(directory.path());
  REQUIRE(read_mapped(file.path()));
  file.make_cold();
  const pid_t child = fork();
  if (child == 0) _exit(read_mapped(file.path()) ? 0 : 1);
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(status == 0);
  CHECK(watch.of(file.id()).empty());
}

TEST_CASE("anonymous memory and new threads give no mapping event") {
  const ScratchDirectory directory;
  const ColdFile file(directory, floor_bytes);
  Watch watch(directory.path());
  ReaderProcess reader([&] {
    constexpr size_t size = 512 * mib;
    // The kernel ignores the descriptor of an anonymous mapping.
    const UniqueFd fd(open(file.path().c_str(), O_RDONLY | O_CLOEXEC));
    for (const int ignored : {-1, fd.get()})
      if (mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, ignored, 0) == MAP_FAILED)
        return false;
    std::array<std::thread, 8> threads;
    for (std::thread& thread : threads)
      thread = std::thread([] { std::vector<char>(mib, 1).swap(*new std::vector<char>); });
    for (std::thread& thread : threads) thread.join();
    return true;
  });
  REQUIRE(reader.finish());
  CHECK(watch.of(reader.pid()).empty());
}

TEST_CASE("a silenced reader goes quiet and is still counted") {
  const ScratchDirectory directory;
  const ColdFile file(directory, floor_bytes);
  Watch watch(directory.path());

  std::array<int, 2> resume{};
  REQUIRE(pipe2(resume.data(), O_CLOEXEC) == 0);
  const UniqueFd wait_end(resume[0]);
  const UniqueFd resume_end(resume[1]);
  ReaderProcess reader([&] {
    const UniqueFd fd(open(file.path().c_str(), O_RDONLY | O_CLOEXEC));
    char byte = 0;
    return pread(fd.get(), &byte, 1, 0) == 1 && read(wait_end.get(), &byte, 1) == 1 &&
           read_sequentially(file.path());
  });
  reader.start();
  REQUIRE(watch.wait_for(file.id()));
  const Reader first = watch.of(file.id()).front().reader;
  watch.probes().silence(first);
  REQUIRE(write(resume_end.get(), "x", 1) == 1);
  REQUIRE(reader.finish());
  CHECK(watch.of(file.id()).size() == 1);
  CHECK(is_whole(watch.probes().bytes_seen(first), file.size()));

  file.make_cold();
  REQUIRE(run_reader([&] { return read_sequentially(file.path()); }));
  CHECK(watch.of(file.id()).size() > 1);
}
