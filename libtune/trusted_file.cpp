// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/trusted_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

namespace tuneshift {

namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

Error failure(int errno_value, const char* what, const std::string& path) {
  Error error = errno_error(errno_value, what);
  error.path = path;
  return error;
}

Status check_owner_and_mode(const struct stat& status, const std::string& path) {
  if (status.st_uid != 0 && status.st_uid != geteuid()) {
    return Error{ErrorCode::permission,
                 "owned by user " + std::to_string(status.st_uid) +
                     ": must be root or the user that runs this",
                 path, 0};
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return Error{ErrorCode::permission, "may be written by others than its owner", path, 0};
  }
  return {};
}

Result<std::string> read_all(int fd, size_t max_bytes, const std::string& path) {
  std::string text;
  char buffer[8192];
  for (;;) {
    const ssize_t count = ::read(fd, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failure(errno, "cannot be read", path);
    if (count == 0) return text;
    text.append(buffer, static_cast<size_t>(count));
    if (text.size() > max_bytes) {
      return Error{ErrorCode::limit_exceeded,
                   "larger than " + std::to_string(max_bytes / 1024) + " KiB", path, 0};
    }
  }
}

}  // namespace

Result<TrustedDirectory> TrustedDirectory::open(const std::string& path) {
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (fd.get() < 0) return failure(errno, "cannot be opened", path);
  struct stat status = {};
  if (fstat(fd.get(), &status) != 0) return failure(errno, "cannot be examined", path);
  if (Status trusted = check_owner_and_mode(status, path); !trusted) return trusted.error();
  return TrustedDirectory(fd.release(), path);
}

TrustedDirectory::TrustedDirectory(TrustedDirectory&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}

TrustedDirectory::~TrustedDirectory() {
  if (fd_ >= 0) close(fd_);
}

Result<std::vector<std::string>> TrustedDirectory::list(const std::string& suffix,
                                                        size_t max_names) const {
  // A description of its own: the position of a duplicate would be shared between calls.
  Descriptor fd(openat(fd_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0) return failure(errno, "cannot be opened", path_);
  std::unique_ptr<DIR, int (*)(DIR*)> directory(fdopendir(fd.get()), closedir);
  if (!directory) return failure(errno, "cannot be listed", path_);
  fd.release();

  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = readdir(directory.get())) {
    const std::string_view name = entry->d_name;
    if (name.front() != '.' && name.ends_with(suffix)) {
      if (names.size() == max_names) {
        return Error{ErrorCode::limit_exceeded, "more than " + std::to_string(max_names) + " files",
                     path_, 0};
      }
      names.emplace_back(name);
    }
    errno = 0;
  }
  if (errno != 0) return failure(errno, "cannot be listed", path_);
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::string> TrustedDirectory::read(const std::string& name, size_t max_bytes) const {
  const std::string path = path_of(name);
  // O_NONBLOCK: a FIFO must not hold us up before fstat() tells what it is.
  Descriptor fd(
      openat(fd_, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (fd.get() < 0 && errno == ELOOP) {
    return Error{ErrorCode::permission, "is a symbolic link", path, ELOOP};
  }
  if (fd.get() < 0) return failure(errno, "cannot be opened", path);
  struct stat status = {};
  if (fstat(fd.get(), &status) != 0) return failure(errno, "cannot be examined", path);
  if (!S_ISREG(status.st_mode)) {
    return Error{ErrorCode::invalid_argument, "is not a regular file", path, 0};
  }
  if (Status trusted = check_owner_and_mode(status, path); !trusted) return trusted.error();
  return read_all(fd.get(), max_bytes, path);
}

Result<std::string> read_trusted_file(const std::string& path, size_t max_bytes) {
  const size_t slash = path.rfind('/');
  std::string parent = ".";
  if (slash != std::string::npos) parent = path.substr(0, std::max<size_t>(slash, 1));
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  if (name.empty() || name == "." || name == "..") {
    return Error{ErrorCode::invalid_argument, "is not the name of a file", path, 0};
  }
  Result<TrustedDirectory> directory = TrustedDirectory::open(parent);
  if (!directory) return directory.error();
  return directory.value().read(name, max_bytes);
}

}  // namespace tuneshift
