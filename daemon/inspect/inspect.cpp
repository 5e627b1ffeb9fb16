// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/inspect/inspect.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "daemon/helper/find_file.h"
#include "daemon/helper/process_dir.h"
#include "daemon/helper/sandbox.h"
#include "daemon/inspect/content.h"
#include "daemon/inspect/siblings.h"
#include "daemon/inspect/system_calls.h"

namespace tuneshift {

namespace {

constexpr uint64_t cpu_limit_s = 5;

Error not_found(const char* message) {
  return {ErrorCode::not_found, message, {}, 0};
}

// The reader's own descriptor. Reading through it evicts nothing and asks for no new permission.
UniqueFd duplicate_descriptor(const ProcessDir& process, pid_t pid, int number) {
  if (number < 0) return {};
  const UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  // Alive now, so the pid was not reused before pidfd_open() looked it up.
  if (!pidfd || !process.alive()) return {};
  return UniqueFd(static_cast<int>(syscall(SYS_pidfd_getfd, pidfd.get(), number, 0)));
}

class Inspection {
 public:
  Inspection(int root_fd, const Inquiry& inquiry)
      : root_fd_(root_fd), request_(inquiry.request), rules_(inquiry.rules) {}

  Result<Facts> run() {
    Status status = gather();
    if (status.ok()) status = become(credentials_, cpu_limit_s);
    if (status.ok()) status = check_file();
    if (status.ok()) {
      open_directory();
      status = restrict_system_calls();
    }
    if (status.ok()) status = look_inside();
    if (status.ok()) return std::move(facts_);
    Error error = status.error();
    error.path = facts_.path;
    return error;
  }

 private:
  // With privileges: what the process holds. Nothing here parses what the reader could have made
  // up, beyond procfs's own text.
  Status gather() {
    auto process = ProcessDir::open(root_fd_, {request_.pid, request_.start_ns});
    if (!process) return process.error();
    auto credentials = process.value().credentials();
    if (!credentials) return credentials.error();
    credentials_ = std::move(credentials.value());
    facts_.uid = credentials_.uid;
    facts_.cgroup = process.value().cgroup();
    facts_.command_line = process.value().command_line();

    auto found =
        find_file(process.value(), {request_.device_major, request_.device_minor, request_.inode});
    if (!process.value().alive()) return not_found("the process has gone");
    if (!found) return found.error();
    found_ = std::move(found.value());
    facts_.path = found_.path;
    facts_.mapped = found_.mapped;
    facts_.descriptors = found_.descriptors;
    facts_.holds_gpu = found_.holds_gpu;

    if (found_.fuse || credentials_.overrides_modes) {
      own_ = duplicate_descriptor(process.value(), request_.pid, found_.readable);
    }
    if (found_.fuse && !own_ && found_.mapped_start != 0) {
      auto bytes = read_mapped_beginning(request_.pid, found_.mapped_start);
      if (bytes && process.value().alive()) mapped_beginning_ = std::move(bytes.value());
    }
    reader_root_ = UniqueFd(openat(process.value().fd(), "root", O_PATH | O_DIRECTORY | O_CLOEXEC));
    reader_root_path_ = read_link_at(process.value().fd(), "root");
    own_descriptors_ =
        UniqueFd(openat(root_fd_, "proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return {};
  }

  // As the reader's user from here on.
  Status check_file() {
    struct statx status {};
    if (statx(found_.file.get(), "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS,
              &status) != 0) {
      return errno_error(errno, "stat");
    }
    if (!S_ISREG(status.stx_mode)) return not_found("not a regular file");
    if (!is_wanted(status)) return not_found("the file is another one by now");
    facts_.file_size = status.stx_size;
    deleted_ = status.stx_nlink == 0;
    // The reader may have reused the number before it was duplicated.
    struct statx own {};
    if (own_ &&
        (statx(own_.get(), "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &own) != 0 ||
         !S_ISREG(own.stx_mode) || !is_wanted(own))) {
      own_.reset();
    }
    constexpr std::string_view suffix = " (deleted)";
    if (deleted_ && facts_.path.size() > suffix.size() &&
        facts_.path.substr(facts_.path.size() - suffix.size()) == suffix) {
      facts_.path.resize(facts_.path.size() - suffix.size());
    }
    const std::string self = std::to_string(found_.file.get());
    may_ask_residency_ = status.stx_uid == credentials_.uid ||
                         faccessat(own_descriptors_.get(), self.c_str(), W_OK, 0) == 0;
    return {};
  }

  [[nodiscard]] bool is_wanted(const struct statx& status) const {
    return status.stx_ino == request_.inode &&
           (found_.stacked || (status.stx_dev_major == request_.device_major &&
                               status.stx_dev_minor == request_.device_minor));
  }

  // The directory that the process sees the file in; stays closed when it is not there any more.
  void open_directory() {
    const std::string& path = facts_.path;
    if (deleted_ || path.empty() || path[0] != '/') return;
    // Links in procfs are relative to the namespace's root, not to a chroot within it.
    std::string inside = path;
    if (reader_root_path_.size() > 1 &&
        path.compare(0, reader_root_path_.size() + 1, reader_root_path_ + "/") == 0) {
      inside = path.substr(reader_root_path_.size());
    }
    const size_t slash = inside.rfind('/');
    open_how how{};
    how.flags = O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    const std::string parent = inside.substr(0, slash + 1);
    UniqueFd directory(static_cast<int>(
        syscall(SYS_openat2, reader_root_.get(), parent.c_str(), &how, sizeof how)));
    struct statx status {};
    const bool same =
        directory &&
        statx(directory.get(), inside.c_str() + slash + 1, AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC,
              STATX_BASIC_STATS, &status) == 0 &&
        is_wanted(status);
    if (same) directory_ = std::move(directory);
  }

  Status look_inside() {
    auto beginning = read();
    if (!beginning) return beginning.error();
    Recognised recognised;
    if (!beginning.value().empty() || facts_.file_size == 0) {
      recognised = recognise(rules_, {beginning.value(), facts_.file_size, file_name(),
                                      [this] { return names_beside(); }});
    } else {
      recognised.detail = "cannot be read without throwing out the reader's pages";
    }
    facts_.format = recognised.format;
    facts_.role = recognised.role;
    facts_.detail = recognised.detail;
    Model model{facts_.path, facts_.file_size, 1};
    if (directory_) model = find_model(directory_.get(), facts_.path, facts_.file_size);
    // A file without a name is a model of its own.
    if (deleted_ || model.name.empty()) {
      model.name = std::to_string(request_.device_major) + ":" +
                   std::to_string(request_.device_minor) + ":" + std::to_string(request_.inode);
    }
    facts_.model = model.name;
    facts_.model_bytes = model.bytes;
    facts_.shards = model.shards;
    return {};
  }

  /// A deleted file has no name, and no neighbours.
  [[nodiscard]] std::string file_name() const {
    return deleted_ ? "" : facts_.path.substr(facts_.path.rfind('/') + 1);
  }

  [[nodiscard]] std::vector<std::string> names_beside() const {
    return directory_ ? list_names(directory_.get()) : std::vector<std::string>();
  }

  Result<std::string> read() {
    // On FUSE without FOPEN_KEEP_CACHE one more open throws the reader's pages out.
    if (found_.fuse) {
      if (own_) return read_beginning(own_.get());
      return mapped_beginning_;
    }
    const std::string self = std::to_string(found_.file.get());
    constexpr int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    const UniqueFd file(openat(own_descriptors_.get(), self.c_str(), flags));
    if (!file) {
      // A reader that overrides file modes could open it; this process, without capabilities,
      // cannot, but the reader's descriptor shows that it did.
      if (errno == EACCES && own_) return read_beginning(own_.get());
      return errno_error(errno, "open as the reader's user");
    }
    facts_.resident_bytes = resident_bytes(file.get(), facts_.file_size, may_ask_residency_);
    if (auto cached = read_cached_beginning(file.get())) return *cached;
    // Around the cache: a miss in it would wait for the whole window that the reader's own first
    // fault has just asked for, MiB of it.
    const UniqueFd direct(openat(own_descriptors_.get(), self.c_str(), flags | O_DIRECT));
    if (direct) {
      if (auto beginning = read_beginning(direct.get())) return beginning;
    }
    // One page is wanted, no read-ahead.
    posix_fadvise(file.get(), 0, 0, POSIX_FADV_RANDOM);
    return read_beginning(file.get());
  }

  const int root_fd_;
  const InspectRequest& request_;
  const FormatRules& rules_;
  Facts facts_;
  Credentials credentials_;
  FoundFile found_;
  UniqueFd own_;
  std::string mapped_beginning_;
  UniqueFd reader_root_;
  std::string reader_root_path_;
  UniqueFd own_descriptors_;
  UniqueFd directory_;
  bool deleted_ = false;
  bool may_ask_residency_ = false;
};

}  // namespace

Result<Facts> inspect(int root_fd, const Inquiry& inquiry) {
  return Inspection(root_fd, inquiry).run();
}

}  // namespace tuneshift
