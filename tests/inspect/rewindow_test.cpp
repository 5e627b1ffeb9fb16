// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/rewindow.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <stdexcept>

#include "tests/catch.h"
#include "tests/inspect/fuse_server.h"
#include "tests/inspect/readers.h"

using namespace tuneshift;
using namespace tuneshift::testing;

namespace {

constexpr size_t file_bytes = 24 << 20;
constexpr size_t touched_offset = 12 << 20;

// An ext4 on a loop device of its own: its read-ahead is nobody else's.
class LoopStore {
 public:
  LoopStore() {
    const std::string image = scratch_.file("image", "", 64 << 20);
    const int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    const int backing = open(image.c_str(), O_RDWR | O_CLOEXEC);
    // Another test may take the free one first.
    for (int tries = 0; tries < 100 && device_ < 0; ++tries) {
      const int number = ioctl(control, LOOP_CTL_GET_FREE);
      const std::string node = "/dev/loop" + std::to_string(number);
      const int device = open(node.c_str(), O_RDWR | O_CLOEXEC);
      loop_config config{};
      config.fd = static_cast<uint32_t>(backing);
      config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
      if (ioctl(device, LOOP_CONFIGURE, &config) == 0) {
        device_ = device;
        node_ = node;
        number_ = number;
      } else {
        close(device);
      }
    }
    close(backing);
    close(control);
    if (device_ < 0 || system(("mkfs.ext4 -q " + node_).c_str()) != 0) {
      throw std::runtime_error("no loop device");
    }
  }
  ~LoopStore() {
    set_read_ahead(128);
    if (device_ >= 0) close(device_);
  }
  LoopStore(const LoopStore&) = delete;
  LoopStore& operator=(const LoopStore&) = delete;

  void set_read_ahead(int kib) const {
    std::ofstream("/sys/block/loop" + std::to_string(number_) + "/queue/read_ahead_kb") << kib;
  }
  [[nodiscard]] const std::string& node() const { return node_; }
  [[nodiscard]] std::string directory() const { return scratch_.directory(); }

 private:
  Scratch scratch_;
  int device_ = -1;
  int number_ = -1;
  std::string node_;
};

// How much of the file one page fault in its middle brought in.
size_t resident_pages(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  void* const at = mmap(nullptr, file_bytes, PROT_READ, MAP_SHARED, fd, 0);
  std::vector<unsigned char> pages(file_bytes / 4096);
  REQUIRE(mincore(at, file_bytes, pages.data()) == 0);
  munmap(at, file_bytes);
  close(fd);
  return static_cast<size_t>(std::count_if(pages.begin(), pages.end(),
                                           [](unsigned char page) { return (page & 1) != 0; }));
}

// In a mount namespace of its own: opens the file under a small window, faults when told.
bool read_under_small_window(const LoopStore& store, const std::string& path) {
  if (!enter_own_mounts() ||
      mount(store.node().c_str(), store.directory().c_str(), "ext4", 0, nullptr) != 0) {
    return false;
  }
  const int writer = open(path.c_str(), O_RDWR | O_CREAT, 0644);
  const std::string zeros(file_bytes, 'x');
  if (write(writer, zeros.data(), zeros.size()) != static_cast<ssize_t>(zeros.size()) ||
      fsync(writer) != 0 || posix_fadvise(writer, 0, 0, POSIX_FADV_DONTNEED) != 0) {
    return false;
  }
  close(writer);
  store.set_read_ahead(128);
  const int fd = open(path.c_str(), O_RDONLY);
  if (fd < 0 || dup2(fd, 100) != 100) return false;
  void* const at = mmap(nullptr, file_bytes, PROT_READ, MAP_SHARED, 100, 0);
  if (at == MAP_FAILED) return false;
  Process::wait_for_go();
  (void)static_cast<const volatile char*>(at)[touched_offset];
  return true;
}

KernelFs real_kernel() {
  auto kernel = KernelFs::open("/");
  REQUIRE(kernel.ok());
  return std::move(kernel.value());
}

}  // namespace

TEST_CASE("a re-windowed descriptor reads with the store's new read-ahead") {
  const KernelFs kernel = real_kernel();
  for (const bool help : {false, true}) {
    LoopStore store;
    const std::string inside = store.directory() + "/model";
    Process process([&] { return read_under_small_window(store, inside); });
    const std::string path = "/proc/" + std::to_string(process.pid()) + "/root" + inside;
    REQUIRE(resident_pages(path) == 0);
    store.set_read_ahead(4096);
    if (help) {
      const auto outcome = rewindow(kernel, reader_of(process, path), {{100, false}});
      REQUIRE(outcome.ok());
      CHECK(outcome.value().reset == 1);
      CHECK(outcome.value().failures.empty());
      // Nothing was read for it.
      CHECK(resident_pages(path) == 0);
    }
    process.go();
    const size_t pages = resident_pages(path);
    INFO("pages " << pages << ", re-windowed " << help);
    CHECK(pages > 0);
    CHECK((pages >= 512) == help);
  }
}

TEST_CASE("direct, path-only, reused and closed descriptors are left alone") {
  const KernelFs kernel = real_kernel();
  Scratch scratch;
  const std::string path = scratch.file("a", gguf_header());
  const std::string other = scratch.file("b", gguf_header());
  Process process([&] {
    return dup2(open(path.c_str(), O_RDONLY), 100) == 100 &&
           dup2(open(path.c_str(), O_RDONLY | O_DIRECT), 101) == 101 &&
           dup2(open(path.c_str(), O_PATH), 102) == 102 &&
           dup2(open(other.c_str(), O_RDONLY), 103) == 103;
  });
  const Reader reader = reader_of(process, path);
  // 101 turned direct only after it was looked at.
  const auto outcome =
      rewindow(kernel, reader,
               {{100, false}, {101, false}, {102, false}, {103, false}, {104, false}, {105, true}});
  REQUIRE(outcome.ok());
  CHECK(outcome.value().reset == 1);
  CHECK(outcome.value().direct == 2);
  CHECK(outcome.value().failures.empty());

  Reader elsewhere = reader;
  elsewhere.file.device_minor += 1;
  const auto wrong_device = rewindow(kernel, elsewhere, {{100, false}});
  REQUIRE(wrong_device.ok());
  CHECK(wrong_device.value().reset == 0);

  Reader later = reader;
  later.process.start_ns += 1000000000;
  REQUIRE_FALSE(rewindow(kernel, later, {{100, false}}).ok());
  CHECK(rewindow(kernel, later, {{100, false}}).error().code == ErrorCode::not_found);
  process.end();
  REQUIRE_FALSE(rewindow(kernel, reader, {{100, false}}).ok());
  CHECK(rewindow(kernel, reader, {{100, false}}).error().code == ErrorCode::not_found);
}

TEST_CASE("a file system that hangs at close does not hold up re-windowing") {
  const KernelFs kernel = real_kernel();
  // Outlives the server, which its own close waits for.
  std::unique_ptr<Process> process;
  FuseServer server(gguf_header());
  process = std::make_unique<Process>(
      [&] { return dup2(open(server.path().c_str(), O_RDONLY), 100) == 100; });
  const Reader reader = reader_of(*process, server.path());
  server.control().hang_flushes = true;
  // Would never come back if the duplicate were closed by this process.
  const auto outcome = rewindow(kernel, reader, {{100, false}});
  REQUIRE(outcome.ok());
  CHECK(outcome.value().reset == 1);
}
