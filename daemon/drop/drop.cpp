// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/drop/drop.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "daemon/helper/find_file.h"
#include "daemon/helper/mapped_ranges.h"
#include "daemon/helper/process_dir.h"
#include "daemon/helper/sandbox.h"
#include "daemon/unique_fd.h"

namespace tuneshift {

namespace {

constexpr uint64_t first_wait_ms = 1000;
constexpr uint64_t last_wait_ms = 32000;
constexpr uint64_t cpu_limit_s = 60;

Error stays(const char* message) {
  return {ErrorCode::not_found, message, {}, 0};
}

class Drop {
 public:
  explicit Drop(const DropTask& task) : task_(task) {}

  // With privileges: what of the process is looked at later.
  Status prepare(int root_fd) {
    auto process = ProcessDir::open(root_fd, task_.process);
    if (!process) return process.error();
    auto credentials = process.value().credentials();
    if (!credentials) return credentials.error();
    pidfd_ = UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, task_.process.pid, 0)));
    // It goes on showing this process's memory, also when the pid is used again.
    maps_ = UniqueFd(openat(process.value().fd(), "maps", O_RDONLY | O_CLOEXEC));
    root_ = UniqueFd(openat(process.value().fd(), "root", O_PATH | O_DIRECTORY | O_CLOEXEC));
    root_path_ = read_link_at(process.value().fd(), "root");
    if (!pidfd_ || !maps_ || !root_) return errno_error(errno, "look at the process");
    if (!process.value().alive()) return stays("the process has ended");
    if (Status status = become(credentials.value(), cpu_limit_s); !status.ok()) return status;
    return allow_only({{SCMP_SYS(openat2)},
                       {SCMP_SYS(statx)},
                       {SCMP_SYS(fstatfs)},
                       {SCMP_SYS(fadvise64)},
                       {SCMP_SYS(read)},
                       {SCMP_SYS(lseek)},
                       {SCMP_SYS(poll)},
                       {SCMP_SYS(ppoll)}});
  }

  // False when no more is wanted.
  Result<bool> wait_until_unmapped(const DropWait& wait) {
    for (uint64_t ms = first_wait_ms; ms <= last_wait_ms; ms *= 2) {
      if (!wait(ms)) return false;
      if (has_ended()) return stays("the process has ended");
      const bool maps = std::any_of(task_.files.begin(), task_.files.end(),
                                    [this](const DropFile& one) { return is_mapped(one); });
      // What one that has ended maps cannot be told.
      if (!maps && !has_ended()) return true;
    }
    return stays("the process still has it mapped");
  }

  DropReport drop() {
    DropReport report;
    for (const DropFile& one : task_.files) {
      const UniqueFd file = open_file(one);
      if (file && posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED) == 0) {
        ++report.files;
      } else {
        report.trouble = "not all of its files are where they were";
      }
    }
    return report;
  }

 private:
  [[nodiscard]] bool has_ended() const {
    pollfd ended{pidfd_.get(), POLLIN, 0};
    return poll(&ended, 1, 0) != 0;
  }

  // Empty unless it is the file, with the size that it had.
  [[nodiscard]] UniqueFd open_file(const DropFile& one) const {
    // Links in procfs are relative to the namespace's root, not to a chroot within it.
    std::string inside = one.path;
    if (root_path_.size() > 1 && inside.starts_with(root_path_ + "/")) {
      inside.erase(0, root_path_.size());
    }
    open_how how{};
    how.flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    UniqueFd file(
        static_cast<int>(syscall(SYS_openat2, root_.get(), inside.c_str(), &how, sizeof how)));
    struct statx status {};
    const bool same = file && match_device(file.get(), one.file) != DeviceMatch::other &&
                      statx(file.get(), "", AT_EMPTY_PATH, STATX_BASIC_STATS, &status) == 0 &&
                      S_ISREG(status.stx_mode) && status.stx_ino == one.file.inode &&
                      status.stx_size == one.size;
    return same ? std::move(file) : UniqueFd();
  }

  [[nodiscard]] bool is_mapped(const DropFile& one) const {
    if (!read_mapped_ranges(maps_.get(), one.file).empty()) return true;
    // overlayfs shows its own device there.
    const UniqueFd file = open_file(one);
    struct statx status {};
    if (!file || match_device(file.get(), one.file) == DeviceMatch::same ||
        statx(file.get(), "", AT_EMPTY_PATH, STATX_BASIC_STATS, &status) != 0) {
      return false;
    }
    const FileId shown{status.stx_dev_major, status.stx_dev_minor, one.file.inode};
    return !read_mapped_ranges(maps_.get(), shown).empty();
  }

  const DropTask& task_;
  UniqueFd pidfd_;
  UniqueFd maps_;
  UniqueFd root_;
  std::string root_path_;
};

}  // namespace

DropReport drop_files(int root_fd, const DropTask& task, const DropWait& wait) {
  Drop drop(task);
  if (const Status status = drop.prepare(root_fd); !status.ok()) {
    return {0, status.error().message};
  }
  const auto unmapped = drop.wait_until_unmapped(wait);
  if (!unmapped) return {0, unmapped.error().message};
  return unmapped.value() ? drop.drop() : DropReport();
}

}  // namespace tuneshift
