// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/bench/store.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <random>
#include <vector>

#include "client/utf8.h"

namespace tuneshift {

namespace {

Error store_error(const std::string& what, const std::string& path) {
  return errno_error(errno, what + ' ' + printable(path));
}

Error invalid(const std::string& path, const std::string& why) {
  return {ErrorCode::invalid_argument, printable(path) + ": " + why, path, 0};
}

/// A file without a name. Where the file system has none (FUSE, NFS): one that loses it at once.
Result<OwnedFd> make_nameless(const std::string& directory) {
  OwnedFd fd(open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (fd.get() >= 0) return fd;
  if (errno != EOPNOTSUPP && errno != EISDIR) return store_error("making a file in", directory);
  std::string name = directory + "/.tuneshift-bench-XXXXXX";
  OwnedFd named(mkostemp(name.data(), O_CLOEXEC));
  if (named.get() < 0) return store_error("making a file in", directory);
  unlink(name.c_str());
  return named;
}

/// With what no store can compress or share.
Status fill(int fd, uint64_t size_bytes, const std::string& path) {
  constexpr size_t kChunk = 1 << 20;
  std::mt19937_64 random{std::random_device{}()};
  std::vector<uint64_t> chunk(kChunk / sizeof(uint64_t));
  for (uint64_t done = 0; done < size_bytes;) {
    std::generate(chunk.begin(), chunk.end(), std::ref(random));
    const ssize_t written = write(fd, chunk.data(), std::min<uint64_t>(kChunk, size_bytes - done));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return store_error("writing a file in", path);
    done += static_cast<uint64_t>(written);
  }
  if (fsync(fd) != 0) return store_error("writing a file in", path);
  return {};
}

/// The same file again, past the page cache. A nameless one is found by its descriptor.
Result<OwnedFd> open_direct(const std::string& path, const std::string& shown) {
  OwnedFd fd(open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() >= 0) return fd;
  if (errno != EINVAL) return store_error("opening", shown);
  return Error{ErrorCode::unsupported,
               printable(shown) + ": its file system refuses direct reads (O_DIRECT)", shown, 0};
}

Result<OpenStore> open_directory(const std::string& path, uint64_t size_bytes) {
  struct statvfs room {};
  if (statvfs(path.c_str(), &room) != 0) return store_error("looking at", path);
  if (size_bytes > room.f_bavail * room.f_frsize / 2) {
    return Error{ErrorCode::limit_exceeded,
                 printable(path) + ": less than twice the room that the file would take", path, 0};
  }
  auto file = make_nameless(path);
  if (!file) return file.error();
  if (auto filled = fill(file.value().get(), size_bytes, path); !filled) return filled.error();
  const std::string again = "/proc/self/fd/" + std::to_string(file.value().get());
  auto direct = open_direct(again, path);
  if (!direct) return direct.error();
  return OpenStore{std::move(direct).value(), size_bytes, "directory"};
}

Result<OpenStore> open_existing(const std::string& path, uint64_t size_bytes) {
  auto fd = open_direct(path, path);
  if (!fd) return fd.error();
  struct stat info {};
  if (fstat(fd.value().get(), &info) != 0) return store_error("looking at", path);
  auto size = static_cast<uint64_t>(info.st_size);
  if (S_ISBLK(info.st_mode) && ioctl(fd.value().get(), BLKGETSIZE64, &size) != 0) {
    return store_error("looking at", path);
  }
  if (!S_ISBLK(info.st_mode) && !S_ISREG(info.st_mode)) {
    return invalid(path, "neither a directory nor a file nor a disk");
  }
  if (size < least_store_bytes) return invalid(path, "smaller than 16 MiB");
  return OpenStore{std::move(fd).value(), std::min(size, size_bytes),
                   S_ISBLK(info.st_mode) ? "device" : "file"};
}

}  // namespace

Result<OpenStore> open_store(const std::string& path, uint64_t size_bytes) {
  namespace fs = std::filesystem;
  std::error_code failure;
  const bool is_device_name = path.find('/') == std::string::npos && !fs::exists(path, failure) &&
                              fs::is_block_file("/dev/" + path, failure);
  const std::string name = is_device_name ? "/dev/" + path : path;
  // Only what may be read is opened: a FIFO would wait, a device may do anything.
  const auto type = fs::status(name, failure).type();
  if (type == fs::file_type::directory) return open_directory(name, size_bytes);
  if (type == fs::file_type::not_found) {
    return Error{ErrorCode::not_found, printable(name) + ": no such file, directory or disk", name,
                 0};
  }
  if (type != fs::file_type::regular && type != fs::file_type::block) {
    return failure
               ? Error{ErrorCode::permission, printable(name) + ": " + failure.message(), name, 0}
               : invalid(name, "neither a directory nor a file nor a disk");
  }
  return open_existing(name, size_bytes);
}

}  // namespace tuneshift
