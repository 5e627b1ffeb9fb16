// SPDX-License-Identifier: LGPL-2.1-or-later
// Not run by default: FILE=/models/a.gguf WAY=descriptor|mapping [UNIT=131072] prefetch_tests
// "[.speed]" prints how long it takes to read a file ahead, and what that costs beside cat(1). With
// UNIT the worker judges whether it is worth it, as the daemon has it do.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <iostream>

#include "daemon/unique_fd.h"
#include "tests/catch.h"
#include "tests/prefetch/fetching.h"

using namespace tuneshift;
using namespace tuneshift::testing;

namespace {

void make_cold(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  REQUIRE(posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED) == 0);
}

double children_cpu_ms() {
  rusage usage{};
  getrusage(RUSAGE_CHILDREN, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

double ms_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
      .count();
}

bool map_and_close(const std::string& path, uint64_t size) {
  const int fd = open(path.c_str(), O_RDONLY);
  const void* const at = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  close(fd);
  return at != MAP_FAILED;
}

}  // namespace

TEST_CASE("from a cold file to one that is read", "[.speed]") {
  const char* const file = std::getenv("FILE");
  REQUIRE(file != nullptr);
  const std::string path = file;
  const char* const way = std::getenv("WAY");
  const bool mapping = way != nullptr && std::string(way) == "mapping";
  struct stat status {};
  REQUIRE(stat(file, &status) == 0);
  const auto gib = static_cast<double>(status.st_size) / static_cast<double>(1 << 30);
  Process reader([&] { return map_and_close(path, static_cast<uint64_t>(status.st_size)); });
  auto order = order_for(reader, path,
                         mapping ? PrefetchOrder::Way::mapping : PrefetchOrder::Way::descriptor);
  if (!mapping) order.step_bytes = 4 * mib;
  if (const char* const unit = std::getenv("UNIT")) order.unit_bytes = std::stoull(unit);
  for (int i = 0; i < 5; ++i) {
    make_cold(path);
    Fetching fetching;
    const auto begin = std::chrono::steady_clock::now();
    const PrefetchProgress last = fetching.fetch(order);
    REQUIRE(last.trouble.empty());
    std::cout << last.engine << ": " << ms_since(begin) << " ms, CPU "
              << static_cast<double>(last.cpu_us) / 1e3 / gib << " ms/GiB; ";
    make_cold(path);
    const double cpu_ms = children_cpu_ms();
    const auto then = std::chrono::steady_clock::now();
    REQUIRE(std::system(("cat '" + path + "' > /dev/null").c_str()) == 0);
    std::cout << "cat: " << ms_since(then) << " ms, CPU " << (children_cpu_ms() - cpu_ms) / gib
              << " ms/GiB\n";
  }
}
