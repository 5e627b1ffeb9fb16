// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/sampling.h"

#include "tests/catch.h"

using namespace tuneshift;

namespace {

constexpr uint64_t mib = 1 << 20;
constexpr uint64_t second = 1'000'000'000;
const ProcessId loader{7, 70};
const ProcessId other{8, 80};
const HeldFile model{{254, 0, 42}, 100 * mib, true};
const HeldFile shard{{254, 0, 43}, 100 * mib, true};
const HeldFile remote{{0, 50, 44}, 100 * mib, false};

Sampling sampling_of(SampledStores stores) {
  Sampling sampling;
  sampling.set_stores(stores);
  return sampling;
}

Intake fetched(uint64_t bytes) {
  return {.device_bytes = bytes, .read_bytes = 2 * bytes};
}

}  // namespace

TEST_CASE("a process that grows is asked, and its bytes are its file's", "[sampling]") {
  Sampling sampling = sampling_of({.with_disk = true});
  sampling.see(loader, 60 * second, fetched(500 * mib), 10 * second);
  CHECK(sampling.whom_to_ask().empty());
  sampling.see(loader, 61 * second, fetched(520 * mib), 11 * second);
  CHECK(sampling.whom_to_ask() == std::vector{loader});
  CHECK(sampling.whom_to_ask().empty());  // the answer is on its way
  const auto reads = sampling.on_files(loader, {model});
  REQUIRE(reads.size() == 1);
  CHECK(reads[0].reader == Reader{loader, model.file});
  CHECK(reads[0].bytes == 20 * mib);
  CHECK(reads[0].file_size == 100 * mib);
  CHECK(reads[0].first_ns == 10 * second);
  CHECK_FALSE(reads[0].from_birth);

  sampling.see(loader, 62 * second, fetched(560 * mib), 12 * second);
  CHECK(sampling.whom_to_ask() == std::vector{loader});
  CHECK(sampling.on_files(loader, {model})[0].bytes == 60 * mib);
}

TEST_CASE("a young process is counted from its start on", "[sampling]") {
  Sampling sampling = sampling_of({.with_disk = true});
  sampling.see(loader, 2 * second, fetched(90 * mib), 10 * second);
  CHECK(sampling.whom_to_ask() == std::vector{loader});
  auto reads = sampling.on_files(loader, {model});
  REQUIRE(reads.size() == 1);
  CHECK(reads[0].bytes == 90 * mib);
  CHECK(reads[0].first_ns == 8 * second);
  CHECK(reads[0].from_birth);
  sampling.see(loader, 3 * second, fetched(150 * mib), 11 * second);
  REQUIRE(sampling.whom_to_ask().size() == 1);
  reads = sampling.on_files(loader, {shard, model});
  REQUIRE(reads.size() == 1);
  CHECK(reads[0].reader.file == shard.file);  // opened last
  CHECK_FALSE(reads[0].from_birth);
}

TEST_CASE("bytes fill the files that a process holds, none beyond its size", "[sampling]") {
  Sampling sampling = sampling_of({.with_disk = true});
  sampling.see(loader, 0, fetched(130 * mib), 0);
  REQUIRE(sampling.whom_to_ask().size() == 1);
  const auto reads = sampling.on_files(loader, {shard, remote, model});
  REQUIRE(reads.size() == 2);
  CHECK(reads[0].bytes == 100 * mib);
  CHECK(reads[1].reader.file == model.file);
  CHECK(reads[1].bytes == 30 * mib);
}

TEST_CASE("without a disk what is read or touched counts", "[sampling]") {
  Sampling sampling = sampling_of({.without_disk = true});
  sampling.see(loader, 0, {.read_bytes = 20 * mib}, 0);
  sampling.see(other, 0, {.device_bytes = 90 * mib, .mapped_bytes = 30 * mib}, 0);
  CHECK(sampling.whom_to_ask() == std::vector{other, loader});
  CHECK(sampling.on_files(other, {model, remote})[0].bytes == 30 * mib);
  CHECK(sampling.on_files(loader, {remote})[0].bytes == 20 * mib);
}

TEST_CASE("cached reads of a file on a disk are none", "[sampling]") {
  Sampling sampling = sampling_of({.with_disk = true});
  sampling.see(loader, 0, {.read_bytes = 90 * mib, .mapped_bytes = 90 * mib}, 0);
  CHECK(sampling.whom_to_ask().empty());
}

TEST_CASE("who holds nothing large is asked ever less often", "[sampling]") {
  Sampling sampling = sampling_of({.with_disk = true});
  uint64_t bytes = 0;
  unsigned asked = 0;
  for (int look = 0; look < 200; ++look) {
    sampling.see(loader, 60 * second, fetched(bytes += 50 * mib), 0);
    for (const ProcessId& process : sampling.whom_to_ask()) {
      ++asked;
      sampling.on_no_answer(process);
    }
  }
  // At once, then with 1, 3, 7 and eleven times 15 looks in between.
  CHECK(asked == 15);
}

TEST_CASE("a silent reader is no more told of", "[sampling]") {
  Sampling sampling = sampling_of({.with_disk = true});
  sampling.see(loader, 0, fetched(20 * mib), 0);
  REQUIRE(sampling.whom_to_ask().size() == 1);
  REQUIRE(sampling.on_files(loader, {model}).size() == 1);
  sampling.silence({loader, model.file});
  sampling.see(loader, 0, fetched(60 * mib), 0);
  REQUIRE(sampling.whom_to_ask().size() == 1);
  CHECK(sampling.on_files(loader, {model}).empty());
}

TEST_CASE("a look asks a bounded number of processes, those that grew most", "[sampling]") {
  Sampling sampling = sampling_of({.with_disk = true});
  for (int pid = 1; pid <= 20; ++pid) {
    sampling.see({pid, 1}, 0, fetched((10 + static_cast<uint64_t>(pid)) * mib), 0);
  }
  const auto first = sampling.whom_to_ask();
  REQUIRE(first.size() == Sampling::most_asked);
  CHECK(first[0].pid == 20);
  CHECK(sampling.whom_to_ask()[0].pid == 12);
}

TEST_CASE("a process that has gone is forgotten, and its answer with it", "[sampling]") {
  Sampling sampling = sampling_of({.with_disk = true});
  sampling.see(loader, 0, fetched(20 * mib), 0);
  for (unsigned look = 0; look < Sampling::most_absent + 2; ++look) sampling.whom_to_ask();
  CHECK(sampling.on_files(loader, {model}).empty());
}
