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
    own_descriptors_ =
        UniqueFd(openat(root_fd, "proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!pidfd_ || !maps_ || !root_ || !own_descriptors_) {
      return errno_error(errno, "look at the process");
    }
    if (!process.value().alive()) return stays("the process has ended");
    if (Status status = become(credentials.value(), cpu_limit_s); !status.ok()) return status;
    return allow_only({{SCMP_SYS(openat2)},
                       {SCMP_SYS(openat)},
                       {SCMP_SYS(statx)},
                       {SCMP_SYS(fstatfs)},
                       {SCMP_SYS(fadvise64)},
                       {SCMP_SYS(read)},
                       {SCMP_SYS(pread64)},
                       {SCMP_SYS(lseek)},
                       {SCMP_SYS(restart_syscall)},
                       {SCMP_SYS(poll)},
                       {SCMP_SYS(ppoll)}});
  }

  // Seen so twice, as one may unmap a shard before it maps the next. False when no more is wanted.
  Result<bool> wait_until_unmapped(const DropWait& wait) {
    bool was_unmapped = false;
    for (uint64_t ms = first_wait_ms; ms <= last_wait_ms; ms *= 2) {
      if (!wait(ms)) return false;
      const bool maps = std::any_of(task_.files.begin(), task_.files.end(),
                                    [this](const DropFile& one) { return is_mapped(one); });
      // What one maps that has ended, or runs another program, cannot be told.
      char byte = 0;
      if (has_ended() || pread(maps_.get(), &byte, 1, 0) != 1) {
        return stays("the process has ended");
      }
      if (!maps && was_unmapped) return true;
      was_unmapped = !maps;
    }
    return stays("the process still has it mapped");
  }

  DropReport drop() {
    DropReport report;
    for (const DropFile& one : task_.files) {
      const UniqueFd found = find(one);
      if (!found) {
        report.trouble = "not all of its files are where they were";
        continue;
      }
      const UniqueFd file(openat(own_descriptors_.get(), std::to_string(found.get()).c_str(),
                                 O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
      if (file && posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED) == 0) {
        ++report.files;
      } else {
        report.trouble = "not all of its files may be opened by its user";
      }
    }
    return report;
  }

 private:
  [[nodiscard]] bool has_ended() const {
    pollfd ended{pidfd_.get(), POLLIN, 0};
    return poll(&ended, 1, 0) != 0;
  }

  // Nothing is opened of what may lie there by now: O_PATH. Empty unless it is the file, with the
  // size that it had.
  [[nodiscard]] UniqueFd find(const DropFile& one) const {
    // Links in procfs are relative to the namespace's root, not to a chroot within it.
    std::string inside = one.path;
    if (root_path_.size() > 1 && inside.starts_with(root_path_ + "/")) {
      inside.erase(0, root_path_.size());
    }
    open_how how{};
    how.flags = O_PATH | O_CLOEXEC;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    UniqueFd file(
        static_cast<int>(syscall(SYS_openat2, root_.get(), inside.c_str(), &how, sizeof how)));
    struct statx status {};
    const bool same = file && match_device(file.get(), one.file) != DeviceMatch::other &&
                      look(file, status) && S_ISREG(status.stx_mode) &&
                      status.stx_ino == one.file.inode && status.stx_size == one.size;
    return same ? std::move(file) : UniqueFd();
  }

  static bool look(const UniqueFd& file, struct statx& status) {
    constexpr int flags = AT_EMPTY_PATH | AT_STATX_DONT_SYNC;
    return statx(file.get(), "", flags, STATX_BASIC_STATS, &status) == 0;
  }

  [[nodiscard]] bool is_mapped(const DropFile& one) const {
    if (!read_mapped_ranges(maps_.get(), one.file).empty()) return true;
    // overlayfs shows its own device there.
    const UniqueFd file = find(one);
    struct statx status {};
    if (!file || match_device(file.get(), one.file) == DeviceMatch::same || !look(file, status)) {
      return false;
    }
    const FileId shown{status.stx_dev_major, status.stx_dev_minor, one.file.inode};
    return !read_mapped_ranges(maps_.get(), shown).empty();
  }

  const DropTask& task_;
  UniqueFd pidfd_;
  UniqueFd maps_;
  UniqueFd root_;
  UniqueFd own_descriptors_;
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
