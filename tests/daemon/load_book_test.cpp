// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/load_book.h"

#include "tests/catch.h"

using namespace tuneshift;

namespace {

constexpr uint64_t page_bytes = 4096;
constexpr uint64_t mib = 1 << 20;
constexpr uint64_t mib_pages = mib / page_bytes;
constexpr uint64_t second_ns = 1'000'000'000;

VmStat memory(uint64_t refaulted_mib, uint64_t evicted_mib) {
  return {.refaulted_pages = 1000 + refaulted_mib * mib_pages,
          .evicted_pages = 2000 + evicted_mib * mib_pages,
          .major_faults = 30};
}

LoadReader reader(pid_t pid, uint64_t bytes) {
  LoadReader one;
  one.reader.process = {pid, 1};
  one.bytes = bytes;
  one.missed = bytes;
  one.facts.path = "/models/a\n.gguf";
  one.facts.file_size = 400 * mib;
  one.facts.cgroup = "/system.slice/vllm.service";
  return one;
}

Load running(uint64_t loaded) {
  Load load;
  load.id = 1;
  load.first_ns = second_ns;
  load.total_bytes = 400 * mib;
  load.loaded_bytes = loaded;
  load.readers = {reader(7, loaded), reader(8, 3 * mib)};
  load.missed_bytes = loaded + 3 * mib;
  return load;
}

}  // namespace

TEST_CASE("the time left follows the rate lately") {
  LoadBook book;
  CHECK(time_left_us(book.update(running(0), {}, second_ns)) == 0);
  CHECK(time_left_us(book.update(running(100 * mib), {}, 2 * second_ns)) == 3'000'000);
  CHECK(time_left_us(book.update(running(300 * mib), {}, 3 * second_ns)) == 500'000);
  CHECK(time_left_us(book.update(running(400 * mib), {}, 4 * second_ns)) == 0);
}

TEST_CASE("a load that has ended has no time left") {
  LoadBook book;
  book.update(running(100 * mib), {}, 2 * second_ns);
  Load ended = running(100 * mib);
  ended.state = Load::State::abandoned;
  book.end(1, ended, 5);
  CHECK(time_left_us(*book.find(1)) == 0);
}

TEST_CASE("each reader of a load is shown with what it missed") {
  LoadBook book;
  book.update(running(100 * mib), {}, 2 * second_ns);
  const LoadView& view = book.update(running(200 * mib), {}, 3 * second_ns);
  REQUIRE(view.readers.size() == 2);
  CHECK(view.readers[0].pid == 7);
  CHECK(view.readers[0].path == "/models/a\\x0a.gguf");
  CHECK(view.readers[0].missed_bytes == 200 * mib);
  CHECK(view.readers[0].file_bytes == 400 * mib);
  CHECK(view.missed_bytes == 203 * mib);
  CHECK(view.workload == "vllm.service");
}

TEST_CASE("a load of ten thousand readers shows some of them") {
  LoadBook book;
  Load load = running(0);
  load.readers.assign(10'000, reader(9, mib));
  load.missed_bytes = 10'000 * mib;
  const LoadView& view = book.update(load, {}, second_ns);
  CHECK(view.readers.size() == LoadBook::shown_readers);
  CHECK(view.missed_bytes == 10'000 * mib);
}

TEST_CASE("what a load does to the machine's memory counts from its begin") {
  LoadView view;
  view.loaded_bytes = 100 * mib;
  LoadBook::note_memory(view, memory(500, 500), page_bytes);
  CHECK(view.refaulted_bytes == 0);
  CHECK(view.warning.empty());
  LoadBook::note_memory(view, memory(503, 502), page_bytes);
  CHECK(view.refaulted_bytes == 3 * mib);
  CHECK(view.evicted_bytes == 2 * mib);
  CHECK(view.warning.empty());
}

TEST_CASE("a twentieth of it evicted and needed again is thrash") {
  LoadView view;
  view.loaded_bytes = 100 * mib;
  LoadBook::note_memory(view, memory(0, 0), page_bytes);
  LoadBook::note_memory(view, memory(5, 5), page_bytes);
  CHECK(view.warning.empty());
  LoadBook::note_memory(view, memory(8, 6), page_bytes);
  CHECK(view.warning ==
        "thrash: memory too small: while it loaded, 6 MiB were evicted and 8 MiB came back");
  // What was evicted before it began comes back as well: that takes nothing from anybody.
  LoadView fresh;
  fresh.loaded_bytes = 100 * mib;
  LoadBook::note_memory(fresh, memory(0, 0), page_bytes);
  LoadBook::note_memory(fresh, memory(90, 0), page_bytes);
  CHECK(fresh.warning.empty());
  CHECK(fresh.refaulted_bytes == 90 * mib);
}

TEST_CASE("totals count every load, also those that are forgotten") {
  LoadBook book;
  constexpr uint32_t loads = LoadBook::kept_ended + 3;
  for (uint32_t id = 1; id <= loads; ++id) {
    Load load = running(100 * mib);
    load.id = id;
    LoadBook::helped(book.update(load, {}, 2 * second_ns), 40 * mib, 2 * second_ns);
    load.last_progress_ns = 3 * second_ns;
    load.state = Load::State::finished;
    book.end(id, load, 5);
  }
  CHECK(book.all().size() == LoadBook::kept_ended);
  CHECK(book.totals().loaded_bytes == loads * 100 * mib);
  CHECK(book.totals().helped_bytes == loads * 60 * mib);
  // 60 MiB at 40 MiB/s would have taken 1.5 s.
  CHECK(book.totals().saved_us == loads * 500'000ULL);
  Load more = running(7 * mib);
  more.id = loads + 1;
  book.update(more, {}, 2 * second_ns);
  CHECK(book.totals().loaded_bytes == (loads * 100 + 7) * mib);
}

TEST_CASE("the load that ends last is in the book, whenever it began and whatever the clock says") {
  const uint64_t long_ones_end = GENERATE(1000ULL, 1ULL);
  LoadBook book;
  const Load slow = running(100 * mib);
  book.update(slow, {}, 2 * second_ns);
  for (uint32_t id = slow.id + 1; id <= slow.id + LoadBook::kept_ended; ++id) {
    Load load = running(100 * mib);
    load.id = id;
    book.update(load, {}, 2 * second_ns);
    book.end(id, load, 100 + id);
  }
  REQUIRE(book.all().size() == LoadBook::kept_ended + 1);
  CHECK(book.end(slow.id, slow, long_ones_end) == std::vector<uint32_t>{slow.id + 1});
  CHECK(book.find(slow.id) != nullptr);
  CHECK(book.all().size() == LoadBook::kept_ended);
}
