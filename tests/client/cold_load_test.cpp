// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <vector>

#include "client/compare/load_file.h"
#include "client/compare/model_file.h"
#include "tests/catch.h"

using namespace tuneshift;

namespace {

constexpr uint64_t mib = 1 << 20;

/// On a disk: what lies in memory is refused.
struct Folder {
  std::string path = "/var/tmp/tuneshift-compare-test-XXXXXX";

  Folder() { REQUIRE(mkdtemp(path.data()) != nullptr); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path); }

  /// Not a whole number of steps or pages.
  [[nodiscard]] std::string file(uint64_t bytes, const std::string& start = "") const {
    const std::string full = path + "/model";
    const OwnedFd fd(open(full.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    std::vector<char> content(bytes, 'x');
    std::copy(start.begin(), start.end(), content.begin());
    REQUIRE(write(fd.get(), content.data(), bytes) == static_cast<ssize_t>(bytes));
    return full;
  }
};

uint64_t pages_of(uint64_t bytes) {
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page;
}

uint64_t cached_pages(const std::string& path) {
  const OwnedFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const uint64_t bytes = std::filesystem::file_size(path);
  void* mapping = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd.get(), 0);
  REQUIRE(mapping != MAP_FAILED);
  std::vector<unsigned char> pages(pages_of(bytes));
  REQUIRE(mincore(mapping, bytes, pages.data()) == 0);
  munmap(mapping, bytes);
  uint64_t cached = 0;
  for (const unsigned char page : pages) cached += page & 1U;
  return cached;
}

ErrorCode refusal(const std::string& path, const std::string& why) {
  const auto file = open_model_file(path);
  REQUIRE_FALSE(file.ok());
  INFO(file.error().message);
  CHECK(file.error().message.find(path) != std::string::npos);
  CHECK(file.error().message.find(why) != std::string::npos);
  return file.error().code;
}

}  // namespace

TEST_CASE("only a file on a store that is worth a comparison is taken") {
  const Folder folder;
  CHECK(refusal(folder.path + "/none", "No such file") == ErrorCode::not_found);
  CHECK(refusal(folder.path, "directory") == ErrorCode::invalid_argument);
  CHECK(refusal("/dev/zero", "not a file") == ErrorCode::invalid_argument);
  const std::string fifo = folder.path + "/fifo";
  REQUIRE(mkfifo(fifo.c_str(), 0600) == 0);
  CHECK(refusal(fifo, "not a file") == ErrorCode::invalid_argument);
  CHECK(refusal(folder.file(0), "empty") == ErrorCode::invalid_argument);
  CHECK(refusal(folder.file(mib), "16 MiB") == ErrorCode::invalid_argument);

  std::string memory = "/dev/shm/tuneshift-compare-test-XXXXXX";
  const OwnedFd fd(mkstemp(memory.data()));
  REQUIRE(ftruncate(fd.get(), 16 * mib) == 0);
  CHECK(refusal(memory, "in memory") == ErrorCode::unsupported);
  unlink(memory.c_str());

  std::filesystem::create_symlink(folder.file(16 * mib), folder.path + "/link");
  const auto file = open_model_file(folder.path + "/link");
  REQUIRE(file.ok());
  CHECK(file.value().path == folder.path + "/model");
  CHECK(file.value().size_bytes == 16 * mib);
}

TEST_CASE("a cold file has no pages in the cache, dirty as it may have been") {
  const Folder folder;
  const std::string path = folder.file(16 * mib + 123);
  REQUIRE(cached_pages(path) > 0);
  const auto file = open_model_file(path);
  REQUIRE(file.ok());
  const auto left = make_cold(file.value());
  REQUIRE(left.ok());
  CHECK(left.value() == 0);
  CHECK(cached_pages(path) == 0);
}

TEST_CASE("each reader loads the whole file, to its last odd byte") {
  const Folder folder;
  const std::string header = R"({"a":{"data_offsets":[0,17825800]}})";
  const uint64_t bytes = 8 + header.size() + 17'825'800;
  std::string start(8, '\0');
  start[0] = static_cast<char>(header.size());
  const std::string path = folder.file(bytes, start + header);
  const auto file = open_model_file(path);
  REQUIRE(file.ok());
  for (size_t i = 0; i < reader_names().size(); ++i) {
    INFO(reader_names()[i]);
    REQUIRE(make_cold(file.value()).ok());
    const auto reader = static_cast<ReadOrder>(i);
    const auto took = load_file(path, reader);
    REQUIRE(took.ok());
    CHECK(took.value() > 0);
    CHECK(cached_pages(path) == (reader == ReadOrder::direct ? 0 : pages_of(bytes)));
  }
}

TEST_CASE("tensor order without a header and a file that is gone are errors") {
  const Folder folder;
  const std::string path = folder.file(mib);
  CHECK(load_file(path, ReadOrder::tensor).error().message == path + ": not a safetensors file");
  CHECK(load_file(path + "-", ReadOrder::mmap).error().code == ErrorCode::not_found);
}
