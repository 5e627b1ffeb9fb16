// SPDX-License-Identifier: LGPL-2.1-or-later
// Reading ahead through the reader's mappings, on a FUSE file system that forgets a file's pages at
// every open.
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vector>

#include "daemon/helper/mapped_ranges.h"
#include "daemon/prefetch/fuse_connection.h"
#include "tests/catch.h"
#include "tests/inspect/fuse_server.h"
#include "tests/prefetch/fetching.h"

using namespace tuneshift;
using namespace tuneshift::testing;

namespace {

constexpr uint64_t file_bytes = 8 * mib;  // the server's
const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));

size_t resident_pages(void* at, size_t bytes) {
  std::vector<unsigned char> pages(bytes / page);
  if (mincore(at, bytes, pages.data()) != 0) return 0;
  size_t resident = 0;
  for (const unsigned char one : pages) resident += one & 1U;
  return resident;
}

// Maps the file, closes it and touches its first MiB; when told to go on, holds that `resident`
// bytes of it are in the cache.
bool map_and_count(const std::string& path, uint64_t resident, int advice = MADV_NORMAL) {
  const int fd = open(path.c_str(), O_RDONLY);
  void* const at = mmap(nullptr, file_bytes, PROT_READ, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) return false;
  close(fd);
  madvise(at, file_bytes, advice);
  for (size_t i = 0; i < mib; i += page) (void)static_cast<const volatile char*>(at)[i];
  Process::wait_for_go();
  return is_resident(resident_pages(at, file_bytes) * page, resident);
}

}  // namespace

TEST_CASE("a FUSE file is read ahead through its mapping, opened by nobody") {
  FuseServer server(safetensors_header());
  Process reader([&] { return map_and_count(server.path(), file_bytes); });
  Fetching fetching;
  const auto order = order_for(reader, server.path(), PrefetchOrder::Way::mapping);
  const PrefetchProgress last = fetching.fetch(order);
  CHECK(last.trouble.empty());
  CHECK(last.fetched_bytes == file_bytes);
  CHECK(last.engine == "madvise, paced");
  CHECK(server.control().opens == 1);
  reader.go();
}

TEST_CASE("through a mapping no byte beyond the budget is read") {
  FuseServer server(safetensors_header());
  // The kernel's own read-ahead would go on by itself.
  Process reader([&] { return map_and_count(server.path(), 3 * mib, MADV_RANDOM); });
  Fetching fetching;
  const auto order = order_for(reader, server.path(), PrefetchOrder::Way::mapping);
  REQUIRE(fetching.prefetcher().start(order, {3 * mib}).ok());
  CHECK(fetching.wait_for(order.reader.file, 3 * mib).fetched_bytes == 3 * mib);
  reader.go();
}

TEST_CASE("through a mapping the order says where to begin") {
  FuseServer server(safetensors_header());
  Process reader([&] {
    const int fd = open(server.path().c_str(), O_RDONLY);
    auto* const at = static_cast<char*>(mmap(nullptr, file_bytes, PROT_READ, MAP_SHARED, fd, 0));
    close(fd);
    Process::wait_for_go();
    return is_resident(resident_pages(at, 4 * mib) * page, 0) &&
           is_resident(resident_pages(at + 4 * mib, mib) * page, mib) &&
           is_resident(resident_pages(at + 5 * mib, 3 * mib) * page, 0);
  });
  Fetching fetching;
  auto order = order_for(reader, server.path(), PrefetchOrder::Way::mapping);
  order.start_bytes = 4 * mib;
  REQUIRE(fetching.prefetcher().start(order, {mib}).ok());
  CHECK(fetching.wait_for(order.reader.file, mib).fetched_bytes == mib);
  reader.go();
}

TEST_CASE("a worker on a mapping that is paced reads all of it as well") {
  FuseServer server(safetensors_header());
  Process reader([&] { return map_and_count(server.path(), file_bytes, MADV_RANDOM); });
  Fetching fetching;
  const auto order = order_for(reader, server.path(), PrefetchOrder::Way::mapping);
  REQUIRE(fetching.prefetcher().start(order, {all_bytes, true}).ok());
  const PrefetchProgress last = fetching.end_of(order.reader.file);
  CHECK(last.trouble.empty());
  CHECK(last.fetched_bytes == file_bytes);
  CHECK(server.control().opens == 1);
  reader.go();
}

TEST_CASE("behind the end of a mapped file comes what is before the beginning of the order") {
  FuseServer server(safetensors_header());
  Process reader([&] { return map_and_count(server.path(), file_bytes, MADV_RANDOM); });
  Fetching fetching;
  auto order = order_for(reader, server.path(), PrefetchOrder::Way::mapping);
  order.start_bytes = 4 * mib;
  CHECK(fetching.fetch(order).fetched_bytes == file_bytes);
  reader.go();
}

TEST_CASE("a mapped file that ends within a page is read in two parts, by any budget") {
  FuseServer server(safetensors_header());
  Process reader([&] { return map_and_count(server.path(), file_bytes, MADV_RANDOM); });
  Fetching fetching;
  auto order = order_for(reader, server.path(), PrefetchOrder::Way::mapping);
  order.file_size = file_bytes - 1000;
  order.start_bytes = 4 * mib;
  REQUIRE(fetching.prefetcher().start(order, {5 * mib}).ok());
  fetching.wait_for(order.reader.file, 5 * mib - 64 * 1024);
  fetching.prefetcher().allow(order.reader.file, {6 * mib});
  fetching.wait_for(order.reader.file, 6 * mib - 64 * 1024);
  fetching.prefetcher().allow(order.reader.file, {order.file_size});
  const PrefetchProgress last = fetching.end_of(order.reader.file);
  CHECK(last.trouble.empty());
  CHECK(last.fetched_bytes == order.file_size);
  reader.go();
}

TEST_CASE("a worker on a mapping keeps the two rights that it takes") {
  FuseServer server(safetensors_header());
  Process reader([&] { return map_and_count(server.path(), file_bytes); });
  Fetching fetching;
  const auto order = order_for(reader, server.path(), PrefetchOrder::Way::mapping);
  REQUIRE(fetching.prefetcher().start(order, {mib}).ok());
  fetching.wait_for(order.reader.file, mib);
  const pid_t worker = worker_pid();
  REQUIRE(worker > 0);
  CHECK(status_of(worker, "CapPrm") == "0000000000880000");  // SYS_PTRACE, SYS_NICE
  CHECK(status_of(worker, "CapEff") == "0000000000880000");
  CHECK(status_of(worker, "NoNewPrivs") == "1");
#if !defined(__SANITIZE_ADDRESS__)
  CHECK(status_of(worker, "Seccomp") == "2");
#endif
  reader.end();
  fetching.prefetcher().allow(order.reader.file, {all_bytes});
  CHECK(fetching.end_of(order.reader.file).trouble.find("the reader has ended") == 0);
}

TEST_CASE("a FUSE file is not opened once more") {
  FuseServer server(safetensors_header());
  Process reader([&] { return map_and_count(server.path(), mib, MADV_RANDOM); });
  Fetching fetching;
  const auto last = fetching.fetch(order_for(reader, server.path()));
  CHECK(last.trouble.find("FUSE") != std::string::npos);
  CHECK(server.control().opens == 1);
  reader.go();
}

TEST_CASE("a file that is held but not mapped has no mapping to go through") {
  FuseServer server(safetensors_header());
  Process reader([&] { return open(server.path().c_str(), O_RDONLY) >= 0; });
  Fetching fetching;
  const auto last = fetching.fetch(order_for(reader, server.path(), PrefetchOrder::Way::mapping));
  CHECK(last.trouble.find("maps nothing") != std::string::npos);
}

TEST_CASE("no more is asked of a FUSE server than it takes before it drops read-ahead") {
  FuseServer server(safetensors_header());
  Process reader([&] { return map_and_count(server.path(), file_bytes, MADV_RANDOM); });
  Fetching fetching;
  const auto order = order_for(reader, server.path(), PrefetchOrder::Way::mapping);
  const UniqueFd root(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  const auto connection = FuseConnection::open(root.get(), order.reader.file);
  REQUIRE(connection.ok());
  // The kernel's own threshold, less a quarter for the readers.
  constexpr unsigned usable = 9 - 9 / 4;
  CHECK(connection.value().room().value() == usable);
  server.control().hang_reads = true;
  REQUIRE(fetching.prefetcher().start(order, {all_bytes}).ok());
  while (server.control().unanswered < usable) sched_yield();
  CHECK(connection.value().room().value() == 0);
  server.end();
  const PrefetchProgress last = fetching.end_of(order.reader.file);
  CHECK(server.control().unanswered == usable);
  CHECK(last.fetched_bytes == 0);
  CHECK_FALSE(last.trouble.empty());
}

TEST_CASE("a line of maps is one of the file when device and number are") {
  const FileId file{8, 0x1a, 4711};
  const auto range = parse_mapped_range(
      "7f0000200000-7f0000300000 r--s 00100000 08:1a 4711        /models/a b (deleted)", file);
  REQUIRE(range.has_value());
  CHECK(range->address == 0x7f0000200000);
  CHECK(range->length == mib);
  CHECK(range->offset == mib);
  for (const char* line :
       {"7f0000200000-7f0000300000 r--s 00100000 08:1b 4711 /other",
        "7f00-8000 rw-p 0 00:00 0 [heap]",
        "7f0000200000-7f0000300000 r--s 00100000 08:1a 4712 /other",
        "7f0000300000-7f0000200000 r--s 00100000 08:1a 4711 /backwards", "", "4711"}) {
    CHECK_FALSE(parse_mapped_range(line, file).has_value());
  }
}
