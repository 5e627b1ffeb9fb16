// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/kernel_fs.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

namespace tuneshift {

namespace {

constexpr size_t kLargestFile = size_t{64} << 10;
constexpr size_t kUsualFile = 8191;  // the kernel adds one for the end
constexpr size_t kMostNames = 262144;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

/// A descriptor, or -1 with errno set.
int open_below(int root_fd, std::string_view path, int flags) {
  if (path.empty() || path.front() == '/' || path.find('\0') != std::string_view::npos) {
    errno = EINVAL;
    return -1;
  }
  open_how how = {};
  how.flags = static_cast<uint64_t>(flags) | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const std::string terminated(path);
  // Within a root the kernel gives up with EAGAIN when any rename or mount raced with a "..".
  constexpr int kAttempts = 64;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const long fd = ::syscall(SYS_openat2, root_fd, terminated.c_str(), &how, sizeof(how));
    if (fd >= 0) return static_cast<int>(fd);
    if (errno != EAGAIN && errno != EINTR) return -1;
  }
  return -1;
}

}  // namespace

Result<KernelFs> KernelFs::open(const std::string& root) {
  const int fd = ::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno_error(errno, "open", root);
  return KernelFs(fd);
}

KernelFs::KernelFs(KernelFs&& other) noexcept : root_fd_(std::exchange(other.root_fd_, -1)) {}

KernelFs::~KernelFs() {
  if (root_fd_ >= 0) ::close(root_fd_);
}

namespace {

/// Fills `text` behind its first `length` bytes, and shortens it to what there was.
Status read_on(int fd, std::string_view path, std::string& text, size_t length) {
  while (length < text.size()) {
    const ssize_t count = ::read(fd, text.data() + length, text.size() - length);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno_error(errno, "read", path);
    if (count == 0) break;
    length += static_cast<size_t>(count);
  }
  text.resize(length);
  return {};
}

}  // namespace

Result<std::string> KernelFs::read_head(std::string_view path, size_t most) const {
  const Descriptor fd(open_below(root_fd_, path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  if (fd.get() < 0) return errno_error(errno, "open", path);
  // The kernel clears a buffer of this size as well for a sysctl (proc_sys_call_handler), and shows
  // some lists in one read or not at all (proc_do_large_bitmap): so the rest is no second read. Not
  // with pread(2): fusectl and debugfs have files that refuse it (nonseekable_open).
  std::string text(std::min(most, kUsualFile), '\0');
  Status status = read_on(fd.get(), path, text, 0);
  if (status.ok() && text.size() == kUsualFile && kUsualFile < most) {
    const size_t kept = ::lseek(fd.get(), 0, SEEK_SET) == 0 ? 0 : text.size();
    text.resize(most);
    status = read_on(fd.get(), path, text, kept);
  }
  if (!status.ok()) return status.error();
  text.shrink_to_fit();
  return text;
}

Result<std::string> KernelFs::read(std::string_view path) const {
  auto text = KernelFs::read_head(path, kLargestFile + 1);
  if (!text) return text;
  if (text.value().size() > kLargestFile) {
    return Error{ErrorCode::limit_exceeded, "read " + std::string(path) + ": larger than 64 KiB",
                 std::string(path), 0};
  }
  if (text.value().ends_with('\n')) text.value().pop_back();
  return text;
}

Status KernelFs::write(std::string_view path, std::string_view value) {
  // O_TRUNC means nothing to the kernel's files; it makes a plain file of a test behave like one.
  const Descriptor fd(open_below(root_fd_, path, O_WRONLY | O_TRUNC | O_NONBLOCK | O_NOCTTY));
  if (fd.get() < 0) return errno_error(errno, "open", path);
  ssize_t count = 0;
  do {
    count = ::write(fd.get(), value.data(), value.size());
  } while (count < 0 && errno == EINTR);
  if (count < 0) return errno_error(errno, "write", path);
  if (static_cast<size_t>(count) != value.size()) {
    return Error{ErrorCode::io, "write " + std::string(path) + ": only a part was taken",
                 std::string(path), 0};
  }
  return {};
}

bool KernelFs::exists(std::string_view path) const {
  return Descriptor(open_below(root_fd_, path, O_PATH)).get() >= 0;
}

Result<uint64_t> KernelFs::inode(std::string_view path) const {
  const Descriptor fd(open_below(root_fd_, path, O_PATH));
  struct stat info = {};
  if (fd.get() < 0 || ::fstat(fd.get(), &info) != 0) return errno_error(errno, "stat", path);
  return info.st_ino;
}

Result<std::vector<std::string>> KernelFs::list(std::string_view path) const {
  Descriptor fd(open_below(root_fd_, path, O_RDONLY | O_DIRECTORY));
  if (fd.get() < 0) return errno_error(errno, "open", path);
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::fdopendir(fd.get()), ::closedir);
  if (!directory) return errno_error(errno, "open", path);
  fd.release();
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (names.size() == kMostNames) {
      return Error{ErrorCode::limit_exceeded, "list " + std::string(path) + ": too many names",
                   std::string(path), 0};
    }
    names.emplace_back(name);
    errno = 0;
  }
  if (errno != 0) return errno_error(errno, "list", path);
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::string> KernelFs::read_link(std::string_view path) const {
  const Descriptor fd(open_below(root_fd_, path, O_PATH | O_NOFOLLOW));
  if (fd.get() < 0) return errno_error(errno, "open", path);
  std::string target(PATH_MAX, '\0');
  const ssize_t length = ::readlinkat(fd.get(), "", target.data(), target.size());
  // The kernel says ENOENT for an empty path to something that is no link.
  if (length < 0) return errno_error(errno == ENOENT ? EINVAL : errno, "read link", path);
  target.resize(static_cast<size_t>(length));
  return target;
}

}  // namespace tuneshift
