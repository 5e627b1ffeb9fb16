// SPDX-License-Identifier: LGPL-2.1-or-later
// Whom the events of a running load wake.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <vector>

#include "daemon/reader_maps.h"
#include "tests/bpf/reader_process.h"
#include "tests/bpf/watch.h"
#include "tests/catch.h"

using namespace tuneshift;
using namespace tuneshift::test;

namespace {

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    REQUIRE(pipe2(ends.data(), O_CLOEXEC) == 0);
    out = UniqueFd(ends[0]);
    in = UniqueFd(ends[1]);
  }
  UniqueFd out, in;
};

/// Another process that reads a file in order, as far as it is told.
class SteppedReader {
 public:
  explicit SteppedReader(const ColdFile& file)
      : process_([this, &file] { return work(file.path()); }) {
    process_.start();
  }

  void read_on(uint64_t bytes) {
    char done = 0;
    REQUIRE(write(orders_.in.get(), &bytes, sizeof bytes) == sizeof bytes);
    REQUIRE(read(answers_.out.get(), &done, 1) == 1);
  }

 private:
  [[nodiscard]] bool work(const std::string& path) const {
    const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::vector<char> buffer(mib);
    uint64_t left = 0;
    while (read(orders_.out.get(), &left, sizeof left) == sizeof left) {
      for (; left > 0; left -= mib) {
        if (read(file.get(), buffer.data(), mib) != static_cast<ssize_t>(mib)) return false;
      }
      if (write(answers_.in.get(), "x", 1) != 1) return false;
    }
    return true;
  }

  Pipe orders_, answers_;
  ReaderProcess process_;
};

/// One that has read 9 MiB of a cold file, of which was told.
struct Begun {
  Begun() {
    reader.read_on(9 * mib);
    REQUIRE(watch.wait_for(file.id()));
  }
  ScratchDirectory directory;
  ColdFile file{directory, floor_bytes};
  Watch watch{directory.path()};
  SteppedReader reader{file};
};

bool is_readable(Watch& watch) {
  pollfd one{watch.probes().poll_fd(), POLLIN, 0};
  return poll(&one, 1, 0) == 1;
}

bool all_close(uint64_t before_ns, const std::vector<Event>& events) {
  return std::all_of(events.begin(), events.end(), [&](const Event& event) {
    return event.time_ns - std::exchange(before_ns, event.time_ns) < TUNESHIFT_WAIT_NS;
  });
}

}  // namespace

TEST_CASE("what follows an event of a load closely wakes nobody") {
  const ScratchDirectory directory;
  const ColdFile file(directory, floor_bytes);
  bool is_told = false;
  for (int attempt = 0; attempt < 50; ++attempt) {
    file.make_cold();
    Watch watch(directory.path());
    SteppedReader reader(file);
    reader.read_on(9 * mib);
    const std::vector<Event> first = watch.of(file.id());
    REQUIRE(!first.empty());
    watch.probes().let_wait(first[0].reader, true);
    reader.read_on(24 * mib);
    const bool woken = is_readable(watch);
    const std::vector<Event> later = watch.of(file.id());
    REQUIRE(later.size() >= first.size() + 2);
    // A slow disk takes longer, and then waking is right.
    if (!all_close(first.back().time_ns,
                   {later.begin() + static_cast<ptrdiff_t>(first.size()), later.end()}))
      continue;
    // Other programs' events wake as well: one time without is enough.
    if (!woken) return;
    is_told = true;
  }
  CHECK_FALSE(is_told);
  WARN("this disk is too slow to tell");
}

TEST_CASE("what comes later, what is last, and what no longer waits wakes") {
  Begun begun;
  auto& [directory, file, watch, reader] = begun;
  const Event first = watch.of(file.id()).back();
  watch.probes().let_wait(first.reader, true);

  const uint64_t later_ns = first.time_ns + TUNESHIFT_WAIT_NS;
  const timespec later{static_cast<time_t>(later_ns / 1'000'000'000),
                       static_cast<long>(later_ns % 1'000'000'000)};
  REQUIRE(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &later, nullptr) == 0);
  reader.read_on(12 * mib);
  CHECK(is_readable(watch));
  static_cast<void>(watch.of(file.id()));

  watch.probes().let_wait(first.reader, false);
  reader.read_on(12 * mib);
  CHECK(is_readable(watch));
  static_cast<void>(watch.of(file.id()));

  watch.probes().let_wait(first.reader, true);
  reader.read_on(31 * mib);
  CHECK(is_readable(watch));
  CHECK(watch.of(file.id()).back().bytes + 8 * mib >= file.size());
}

TEST_CASE("a silenced reader stays so") {
  Begun begun;
  auto& [directory, file, watch, reader] = begun;
  const std::vector<Event> first = watch.of(file.id());
  watch.probes().silence(first[0].reader);
  for (const bool waits : {true, false}) {
    watch.probes().let_wait(first[0].reader, waits);
    reader.read_on(16 * mib);
    CHECK(watch.of(file.id()).size() == first.size());
  }
}
