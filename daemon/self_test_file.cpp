// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/self_test_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace tuneshift {

namespace {

constexpr size_t alignment = 4096;  // of direct reads: no disk asks for more than its page size
constexpr mode_t owner_only = 0600;

struct Free {
  void operator()(void* memory) const { free(memory); }
};

using Buffer = std::unique_ptr<void, Free>;

Buffer make_buffer() {
  return Buffer(aligned_alloc(alignment, SelfTestFile::data_bytes));
}

// For file systems without O_TMPFILE: a name that nobody can foresee, gone at once.
Result<UniqueFd> create_and_unlink(int directory) {
  uint64_t number = 0;
  if (getrandom(&number, sizeof number, 0) != sizeof number) return errno_error(errno, "getrandom");
  const std::string name = ".selftest-" + std::to_string(number);
  UniqueFd fd(openat(directory, name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                     owner_only));
  if (!fd) return errno_error(errno, "creating the test file");
  if (unlinkat(directory, name.c_str(), 0) != 0)
    return errno_error(errno, "removing the test file's name");
  return fd;
}

Result<UniqueFd> create_nameless(const std::string& path) {
  const UniqueFd directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return errno_error(errno, "open", path);
  UniqueFd fd(openat(directory.get(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, owner_only));
  if (fd) return fd;
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
    return errno_error(errno, "creating a test file in", path);
  return create_and_unlink(directory.get());
}

Status write_data(int fd) {
  const Buffer buffer = make_buffer();
  if (!buffer) return errno_error(ENOMEM, "the test's buffer");
  memset(buffer.get(), 'x', SelfTestFile::data_bytes);
  const ssize_t written = pwrite(fd, buffer.get(), SelfTestFile::data_bytes, 0);
  if (written < 0) return errno_error(errno, "writing the test file");
  if (static_cast<uint64_t>(written) != SelfTestFile::data_bytes)
    return errno_error(ENOSPC, "writing the test file");
  if (fdatasync(fd) != 0) return errno_error(errno, "syncing the test file");
  return {};
}

}  // namespace

Result<SelfTestFile> SelfTestFile::create(const std::string& directory, uint64_t size) {
  Result<UniqueFd> fd = create_nameless(directory);
  if (!fd.ok()) return fd.error();
  const int file = fd.value().get();
  struct stat status {};
  if (fstat(file, &status) != 0) return errno_error(errno, "fstat");
  // Device numbers with major 0 are anonymous: tmpfs, overlayfs, btrfs, FUSE, NFS.
  if (major(status.st_dev) == 0)
    return Error{ErrorCode::unsupported, directory + " has no block device", directory, 0};
  const uint64_t full_size = std::max(size, data_bytes);
  if (ftruncate(file, static_cast<off_t>(full_size)) != 0)
    return errno_error(errno, "sizing the test file");
  Status written = write_data(file);
  if (!written.ok()) return written.error();
  const FileId id{major(status.st_dev), minor(status.st_dev), status.st_ino};
  return SelfTestFile(std::move(fd).value(), id, full_size);
}

Status SelfTestFile::make_cold() {
  const int error = posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_DONTNEED);
  if (error != 0) return errno_error(error, "dropping the test file from the cache");
  return {};
}

Status SelfTestFile::read_data() {
  const Buffer buffer = make_buffer();
  if (!buffer) return errno_error(ENOMEM, "the test's buffer");
  const ssize_t got = pread(fd_.get(), buffer.get(), data_bytes, 0);
  if (got < 0) return errno_error(errno, "reading the test file");
  if (static_cast<uint64_t>(got) != data_bytes) return errno_error(EIO, "reading the test file");
  return {};
}

Status SelfTestFile::read_buffered() {
  return read_data();
}

Status SelfTestFile::read_direct() {
  const int flags = fcntl(fd_.get(), F_GETFL);
  if (fcntl(fd_.get(), F_SETFL, flags | O_DIRECT) != 0)
    return Error{ErrorCode::unsupported, "this file system has no direct reads", {}, errno};
  Status status = read_data();
  if (fcntl(fd_.get(), F_SETFL, flags) != 0) return errno_error(errno, "fcntl");
  return status;
}

Status SelfTestFile::map() {
  void* memory = mmap(nullptr, size_, PROT_READ, MAP_SHARED, fd_.get(), 0);
  if (memory == MAP_FAILED) return errno_error(errno, "mapping the test file");
  munmap(memory, size_);
  return {};
}

}  // namespace tuneshift
