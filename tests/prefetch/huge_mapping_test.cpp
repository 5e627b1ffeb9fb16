// SPDX-License-Identifier: LGPL-2.1-or-later
// Reading through a huge mapping, on the machine's own disk.
#include "daemon/prefetch/huge_mapping.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <stdexcept>

#include "daemon/unique_fd.h"
#include "tests/bpf/cold_file.h"
#include "tests/catch.h"
#include "tests/prefetch/fetching.h"

using namespace tuneshift;
using namespace tuneshift::testing;
using tuneshift::test::ColdFile;

TEST_CASE("a part is in the page cache once it was read through a huge mapping") {
  const test::ScratchDirectory directory;
  const ColdFile file(directory, 41 * mib);
  const UniqueFd fd(open(file.path().c_str(), O_RDONLY | O_CLOEXEC));
  REQUIRE(fd);
  REQUIRE(has_resident(file.path(), 0));
  REQUIRE(read_by_huge_mapping(fd.get(), 32 * mib, file.size()).ok());
  CHECK(has_resident(file.path(), file.size() - 32 * mib, 32 * mib));
  REQUIRE(read_by_huge_mapping(fd.get(), 0, 16 * mib).ok());
  REQUIRE(read_by_huge_mapping(fd.get(), 16 * mib, 32 * mib).ok());
  CHECK(has_resident(file.path(), file.size()));
}

TEST_CASE("a part that the file does not have is an error") {
  const test::ScratchDirectory directory;
  const ColdFile file(directory, 4 * mib);
  const UniqueFd fd(open(file.path().c_str(), O_RDONLY | O_CLOEXEC));
  REQUIRE(fd);
  CHECK_FALSE(read_by_huge_mapping(fd.get(), 2 * mib, 8 * mib).ok());
  CHECK_FALSE(read_by_huge_mapping(fd.get(), 8 * mib, 16 * mib).ok());
}

namespace {

// Large enough to try both ways on, and a process that holds it open.
struct LargeFile {
  LargeFile() {
    if (chmod(file.path().c_str(), 0644) != 0) throw std::runtime_error("chmod");
    reader = std::make_unique<Process>(
        [&] { return open(file.path().c_str(), O_RDONLY) >= 0 && drop_root(); });
    order = order_for(*reader, file.path());
    order.step_bytes = 4 * mib;
    order.unit_bytes = GENERATE(0, 4096);
  }

  test::ScratchDirectory directory;
  ColdFile file{directory, 289 * mib};
  std::unique_ptr<Process> reader;
  PrefetchOrder order;
};

}  // namespace

TEST_CASE("a large file is read whole, whichever way is taken") {
  LargeFile large;
  Fetching fetching;
  large.order.start_bytes = GENERATE(0, 4 * mib, 200 * mib);
  const PrefetchProgress last = fetching.fetch(large.order);
  CHECK(last.trouble.empty());
  CHECK(last.fetched_bytes == large.file.size());
  CHECK(has_resident(large.file.path(), large.file.size()));
}

TEST_CASE("of a large file no byte beyond the budget is read either") {
  LargeFile large;
  Fetching fetching;
  const FileId& id = large.order.reader.file;
  REQUIRE(fetching.prefetcher().start(large.order, {201 * mib}).ok());
  CHECK(fetching.wait_for(id, 201 * mib).fetched_bytes == 201 * mib);
  CHECK(has_resident(large.file.path(), 201 * mib));
}

TEST_CASE("a budget that shrinks and grows while a large file is read ends nothing") {
  LargeFile large;
  Fetching fetching;
  const FileId& id = large.order.reader.file;
  REQUIRE(fetching.prefetcher().start(large.order, {all_bytes}).ok());
  const uint64_t told = fetching.wait_for(id, 140 * mib).fetched_bytes;
  fetching.prefetcher().allow(id, {told + 17 * mib});
  fetching.wait_for(id, std::min(told + 17 * mib, large.file.size()));
  fetching.prefetcher().allow(id, {all_bytes});
  CHECK(fetching.end_of(id).fetched_bytes == large.file.size());
}
