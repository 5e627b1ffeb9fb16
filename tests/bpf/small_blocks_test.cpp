// SPDX-License-Identifier: LGPL-2.1-or-later
// A file system with blocks smaller than a page, of which the kernel reads each by itself where
// they do not lie side by side.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>
#include <vector>

#include "tests/bpf/reader_process.h"
#include "tests/bpf/watch.h"
#include "tests/catch.h"

using namespace tuneshift;
using namespace tuneshift::test;

namespace {

constexpr size_t block = 1024;
constexpr size_t unit = 4 * block;  // a hole of one block, then three blocks of data
constexpr uint64_t filled_bytes = 16 * mib;

// An ext4 of its own on a loop device.
class SmallBlocks {
 public:
  explicit SmallBlocks(const ScratchDirectory& directory) : point_(directory.path() + "/mount") {
    const std::string image = directory.path() + "/image";
    const UniqueFd fd(open(image.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    const std::string make = "mkfs.ext4 -q -b " + std::to_string(block) + " " + image;
    const std::string mount = "mount -o loop " + image + " " + point_;
    if (ftruncate(fd.get(), floor_bytes) != 0 || mkdir(point_.c_str(), 0700) != 0 ||
        system(make.c_str()) != 0 || system(mount.c_str()) != 0)
      throw std::runtime_error("no file system of small blocks");
  }
  SmallBlocks(const SmallBlocks&) = delete;
  SmallBlocks& operator=(const SmallBlocks&) = delete;
  ~SmallBlocks() { umount2(point_.c_str(), MNT_DETACH); }

  [[nodiscard]] std::string file() const { return point_ + "/model"; }

 private:
  std::string point_;
};

// No page of it lies on the disk in one piece, and none is cached.
bool write_with_holes(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  const std::vector<char> data(unit - block, 'm');
  if (ftruncate(fd.get(), floor_bytes) != 0) return false;
  for (uint64_t at = 0; at < filled_bytes; at += unit)
    if (pwrite(fd.get(), data.data(), data.size(), static_cast<off_t>(at + block)) !=
        static_cast<ssize_t>(data.size()))
      return false;
  return fsync(fd.get()) == 0 && posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED) == 0;
}

bool read_filled(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::vector<char> data(mib);
  for (uint64_t at = 0; at < filled_bytes; at += mib)
    if (read(fd.get(), data.data(), mib) != static_cast<ssize_t>(mib)) return false;
  return true;
}

}  // namespace

TEST_CASE("blocks of one page that are read one by one are in order") {
  const ScratchDirectory directory;
  const SmallBlocks store(directory);
  REQUIRE(write_with_holes(store.file()));
  Watch watch(directory.path());
  ReaderProcess reader([&] { return read_filled(store.file()); });
  REQUIRE(reader.finish());
  const std::vector<Event> events = watch.of(file_id(store.file()));
  REQUIRE(events.size() > 2);
  const Event& last = events.back();
  CHECK(last.bytes >= 8 * mib);
  // One at each hole.
  CHECK(last.jumps <= last.bytes / (unit - block) + 1);
  CHECK(last.sequential >= last.bytes / 2);
}
