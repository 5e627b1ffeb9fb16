// SPDX-License-Identifier: LGPL-2.1-or-later
// File systems that hang, and that forget their pages when somebody opens a file.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "tests/catch.h"
#include "tests/inspect/asking.h"
#include "tests/inspect/fuse_server.h"
#include "tests/inspect/readers.h"

using namespace tuneshift;
using namespace tuneshift::testing;

namespace {

constexpr size_t mapped_bytes = 4 << 20;

bool map_and_touch(const std::string& path, bool keep_open, bool touch) {
  const int fd = open(path.c_str(), O_RDONLY);
  void* const at = mmap(nullptr, mapped_bytes, PROT_READ, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) return false;
  if (!keep_open) close(fd);
  const auto* const bytes = static_cast<const volatile char*>(at);
  for (size_t i = 0; touch && i < mapped_bytes; i += 4096) (void)bytes[i];
  return true;
}

}  // namespace

TEST_CASE("on FUSE the reader's own descriptor is read, nothing is opened") {
  FuseServer server(safetensors_header());
  Process process([&] { return map_and_touch(server.path(), true, true); });
  REQUIRE(server.control().opens == 1);
  Asking asking;
  const auto result = asking.facts(reader_of(process, server.path()));
  REQUIRE(result.ok());
  CHECK(result.value().format == "safetensors");
  CHECK(result.value().mapped);
  CHECK_FALSE(result.value().resident_bytes.has_value());
  CHECK(server.control().opens == 1);
}

TEST_CASE("on FUSE a mapping without a descriptor is read through the process's memory") {
  FuseServer server(gguf_header());
  Process process([&] { return map_and_touch(server.path(), false, true); });
  Asking asking;
  const auto result = asking.facts(reader_of(process, server.path()));
  REQUIRE(result.ok());
  CHECK(result.value().format == "gguf");
  CHECK(server.control().opens == 1);
}

TEST_CASE("a hanging file system costs its own requests, and the loop goes on") {
  // Outlives the server, which its own exit waits for.
  std::unique_ptr<Process> victim;
  FuseServer server(safetensors_header());
  Scratch scratch;
  const std::string local = scratch.file("a.gguf", gguf_header());
  victim = std::make_unique<Process>([&] { return map_and_touch(server.path(), true, false); });
  Process other([&] { return open(local.c_str(), O_RDONLY) >= 0; });
  const Reader hung = reader_of(*victim, server.path());
  const Reader healthy = reader_of(other, local);
  server.control().hang_reads = true;
  // A read can be killed, the close after it can not: the helper stays in the kernel.
  server.control().hang_flushes = true;

  Asking asking({2000, 8, 256});
  asking.ask(hung);
  asking.ask(hung);
  asking.ask(healthy);
  asking.wait_for(1);
  // The local file's answer passes the hung one's.
  CHECK(asking.answers[0].first == healthy);
  REQUIRE(asking.answers[0].second.ok());
  asking.wait_for(3);
  for (size_t i = 1; i < 3; ++i) {
    CHECK(asking.answers[i].first == hung);
    REQUIRE_FALSE(asking.answers[i].second.ok());
    CHECK(asking.answers[i].second.error().code == ErrorCode::timeout);
  }
  // Its slot is not given to another that would get stuck as well.
  const auto again = asking.facts(hung);
  REQUIRE_FALSE(again.ok());
  CHECK(again.error().code == ErrorCode::timeout);
  CHECK(asking.facts(healthy).ok());
}

TEST_CASE("one user's hanging file systems do not keep the inspector from others") {
  constexpr unsigned helpers = 4;
  // They outlive the servers, which their exit waits for.
  std::vector<std::unique_ptr<Process>> victims;
  std::vector<std::unique_ptr<FuseServer>> servers;
  Asking asking({1000, helpers, 256});
  for (unsigned i = 0; i < helpers; ++i) {
    servers.push_back(std::make_unique<FuseServer>(safetensors_header()));
    const std::string path = servers.back()->path();
    victims.push_back(std::make_unique<Process>(
        [&] { return map_and_touch(path, true, false) && setresuid(65534, 65534, 65534) == 0; }));
    const Reader hung = reader_of(*victims.back(), path);
    servers.back()->control().hang_reads = true;
    servers.back()->control().hang_flushes = true;
    asking.ask(hung);
  }
  asking.wait_for(helpers);
  Scratch scratch;
  const std::string local = scratch.file("a.gguf", gguf_header());
  Process other([&] { return open(local.c_str(), O_RDONLY) >= 0; });
  CHECK(asking.facts(reader_of(other, local)).ok());
}
