// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/journal.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "libtune/journal_record.h"

namespace tuneshift {

namespace {

constexpr const char* kName = "journal";
constexpr const char* kNewName = "journal.new";
constexpr off_t kLargestFile = 16 << 20;
constexpr int64_t kCompactAbove = 256 << 10;
constexpr int kFileFlags = O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;

Error refused(const std::string& path, const std::string& why) {
  return {ErrorCode::permission, path + " " + why, path, 0};
}

/// An open descriptor's file must be ours alone to write.
Status check_ownership(int fd, mode_t type, const std::string& path) {
  struct stat info = {};
  if (::fstat(fd, &info) != 0) return errno_error(errno, "stat", path);
  if ((info.st_mode & S_IFMT) != type) return refused(path, "is of the wrong type");
  if (info.st_uid != ::geteuid()) return refused(path, "is owned by somebody else");
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) return refused(path, "may be written by others");
  return {};
}

Error open_error(const std::string& path) {
  if (errno == ELOOP) return refused(path, "is a symbolic link");
  return errno_error(errno, "open", path);
}

Result<int> open_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) {
    return errno_error(errno, "create", path);
  }
  const int fd = ::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return open_error(path);
  const Status owned = check_ownership(fd, S_IFDIR, path);
  if (owned) return fd;
  ::close(fd);
  return owned.error();
}

/// Whether the name still leads to the locked file: a compaction may have replaced it.
bool is_current(int fd, int directory_fd) {
  struct stat locked = {};
  struct stat named = {};
  return ::fstat(fd, &locked) == 0 &&
         ::fstatat(directory_fd, kName, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
         locked.st_dev == named.st_dev && locked.st_ino == named.st_ino;
}

Result<int> open_file(int directory_fd, const std::string& path, int flags) {
  const int fd = ::openat(directory_fd, kName, flags, 0600);
  if (fd < 0) return open_error(path);
  const Status owned = check_ownership(fd, S_IFREG, path);
  if (owned) return fd;
  ::close(fd);
  return owned.error();
}

/// The locked file, or -1 in `value()` while another process keeps it.
Result<int> try_lock(int directory_fd, const std::string& path) {
  const auto opened = open_file(directory_fd, path, kFileFlags);
  if (!opened) return opened.error();
  const int fd = opened.value();
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0 && is_current(fd, directory_fd)) return fd;
  ::close(fd);
  return -1;
}

Result<std::string> read_all(int fd) {
  struct stat info = {};
  if (::fstat(fd, &info) != 0) return errno_error(errno, "stat", kName);
  if (info.st_size > kLargestFile) {
    return Error{ErrorCode::limit_exceeded, "the journal is too large", kName, 0};
  }
  std::string text(static_cast<size_t>(info.st_size), '\0');
  size_t length = 0;
  while (length < text.size()) {
    const ssize_t count =
        ::pread(fd, text.data() + length, text.size() - length, static_cast<off_t>(length));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno_error(errno, "read", kName);
    if (count == 0) break;
    length += static_cast<size_t>(count);
  }
  text.resize(length);
  return text;
}

/// Cuts what a killed writer left of a line, so that the next line begins on its own.
Status drop_torn_line(int fd) {
  const auto text = read_all(fd);
  if (!text) return text.error();
  const size_t whole = text.value().rfind('\n') + 1;  // npos + 1 is 0
  if (whole == text.value().size()) return {};
  if (::ftruncate(fd, static_cast<off_t>(whole)) != 0) return errno_error(errno, "truncate", kName);
  return {};
}

/// All of `text` or nothing; `is_torn` when a part of it stays in the file.
Status write_line(int fd, const std::string& text, bool& is_torn) {
  struct stat before = {};
  if (::fstat(fd, &before) != 0) return errno_error(errno, "stat", kName);
  ssize_t count = 0;
  do {
    count = ::write(fd, text.data(), text.size());
  } while (count < 0 && errno == EINTR);
  if (count == static_cast<ssize_t>(text.size())) return {};
  const Error error = errno_error(count < 0 ? errno : ENOSPC, "write", kName);
  if (count > 0 && ::ftruncate(fd, before.st_size) != 0) is_torn = true;
  return error;
}

}  // namespace

Result<Journal> Journal::open(const std::string& directory, int wait_ms) {
  constexpr int kStepMs = 10;
  const auto directory_fd = open_directory(directory);
  if (!directory_fd) return directory_fd.error();
  Journal journal(-1, directory_fd.value());
  const std::string path = directory + "/" + kName;
  for (int waited_ms = 0;; waited_ms += kStepMs) {
    const auto fd = try_lock(directory_fd.value(), path);
    if (!fd) return fd.error();
    journal.fd_ = fd.value();
    if (journal.fd_ >= 0) break;
    if (waited_ms >= wait_ms) {
      return Error{ErrorCode::busy, path + " is kept by another process", path, 0};
    }
    ::poll(nullptr, 0, kStepMs);
  }
  const Status whole = drop_torn_line(journal.fd_);
  if (!whole) return whole.error();
  return journal;
}

Result<Journal> Journal::open_of_dying(const std::string& directory) {
  const auto directory_fd = open_directory(directory);
  if (!directory_fd) return directory_fd.error();
  Journal journal(-1, directory_fd.value());
  const auto fd = open_file(directory_fd.value(), directory + "/" + kName, kFileFlags & ~O_CREAT);
  if (!fd) return fd.error();
  journal.fd_ = fd.value();
  journal.locked_ = false;
  const Status whole = drop_torn_line(journal.fd_);
  if (!whole) return whole.error();
  return journal;
}

Journal::Journal(Journal&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      directory_fd_(std::exchange(other.directory_fd_, -1)),
      compact_above_bytes_(other.compact_above_bytes_),
      locked_(other.locked_),
      is_torn_(other.is_torn_),
      kept_(std::move(other.kept_)) {}

Journal::~Journal() {
  if (fd_ >= 0) ::close(fd_);
  if (directory_fd_ >= 0) ::close(directory_fd_);
}

JournalContents Journal::read() const {
  const auto text = read_all(fd_);
  if (!text) return {{}, {}, {text.error().message}, false};
  return fold_records(text.value() + kept_lines());
}

Status Journal::append_intent(const std::string& knob, const std::string& original,
                              const std::string& value, const std::string& device) {
  return append(encode_intent(knob, original, value, device));
}

Status Journal::append_guard(const std::string& knob, const std::string& original,
                             const std::string& device) {
  return append_or_keep(knob, encode_guard(knob, original, device), true);
}

Status Journal::append_confirm(const std::string& knob, const std::string& read_back) {
  return append_or_keep(knob, encode_record({"confirm", knob, read_back}), false);
}

Status Journal::append_abort(const std::string& knob) {
  return append_or_keep(knob, encode_record({"abort", knob}), false);
}

Status Journal::append_restored(const std::string& knob) {
  return append_or_keep(knob, encode_record({"restored", knob}), true);
}

Status Journal::append_yielded(const std::string& knob) {
  return append_or_keep(knob, encode_record({"yielded", knob}), false);
}

Status Journal::append_rebased(const std::string& knob, const std::string& original) {
  return append_or_keep(knob, encode_record({"rebased", knob, original}), false);
}

Status Journal::append_captured(const std::string& knob, const std::string& ours,
                                const std::string& base) {
  return append_or_keep({}, encode_record({"captured", knob, ours, base}), false);
}

Status Journal::append_released(const std::string& knob) {
  return append_or_keep({}, encode_record({"released", knob}), false);
}

Status Journal::clear() {
  // One that cannot be read may hold originals: it is not empty.
  const auto text = read_all(fd_);
  if (!text) return text.error();
  const JournalContents contents = fold_records(text.value() + kept_lines());
  for (const JournalEntry& entry : contents.entries) {
    if (!entry.yielded) {
      return Error{ErrorCode::busy, "the journal still has " + entry.knob, kName, 0};
    }
  }
  const std::string captures = encode_contents({{}, contents.captures, {}, true});
  if (captures.empty()) {
    if (::ftruncate(fd_, 0) != 0) return errno_error(errno, "truncate", kName);
    is_torn_ = false;
  } else if (captures != text.value()) {
    if (Status replaced = replace(captures); !replaced) return replaced;
  }
  kept_.clear();
  return {};
}

Status Journal::write_kept() {
  return kept_.empty() ? Status() : append({});
}

std::string Journal::kept_lines() const {
  // What is left of a torn line becomes a damaged one of its own.
  std::string text = is_torn_ ? "\n" : "";
  for (const Kept& kept : kept_) text += kept.line;
  return text;
}

Status Journal::append_or_keep(const std::string& knob, const std::string& line, bool starts_over) {
  Status written = append(line);
  if (written) return written;
  std::erase_if(kept_, [&](const Kept& kept) {
    return kept.line == line || (starts_over && kept.knob == knob);
  });
  kept_.push_back({knob, line});
  return written;
}

Status Journal::append(const std::string& line) {
  struct stat info = {};
  // Without the lock no other file takes this one's place: it would be free to lock while the dying
  // keeper's write is still to land.
  if (locked_ && ::fstat(fd_, &info) == 0 &&
      info.st_size > std::max(compact_above_bytes_, kCompactAbove)) {
    // A line that finds no room says so itself, so a failure here need not.
    if (!compact()) compact_above_bytes_ = info.st_size * 2;
  }
  Status written = write_line(fd_, kept_lines() + line, is_torn_);
  if (!written) return written;
  is_torn_ = false;
  kept_.clear();
  return written;
}

Status Journal::compact() {
  const auto text = read_all(fd_);
  if (!text) return text.error();
  return replace(encode_contents(fold_records(text.value())));
}

Status Journal::replace(const std::string& text) {
  ::unlinkat(directory_fd_, kNewName, 0);  // left by one that was killed here
  const int fd = ::openat(directory_fd_, kNewName, kFileFlags | O_EXCL, 0600);
  if (fd < 0) return errno_error(errno, "create", kNewName);
  // Locked before it gets the name, so that nobody can come between.
  Status status;
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) status = errno_error(errno, "lock", kNewName);
  bool is_torn = false;  // then this file is not used
  if (status) status = write_line(fd, text, is_torn);
  if (status && ::renameat(directory_fd_, kNewName, directory_fd_, kName) != 0) {
    status = errno_error(errno, "rename", kNewName);
  }
  if (!status) {
    ::close(fd);
    return status;
  }
  ::close(std::exchange(fd_, fd));
  compact_above_bytes_ = 2 * static_cast<int64_t>(text.size());
  is_torn_ = false;
  return {};
}

}  // namespace tuneshift
