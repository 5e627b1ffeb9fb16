// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/fuzz/watched_trees.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>

#include "tests/fuzz/check.h"

namespace tuneshift::fuzz {

WatchedTrees::WatchedTrees() : fd_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
  check(fd_ >= 0, "inotify_init works");
}

WatchedTrees::~WatchedTrees() {
  ::close(fd_);
}

void WatchedTrees::add(const std::string& root) {
  watch(root);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (entry.is_directory() && !entry.is_symlink()) watch(entry.path().string());
  }
}

void WatchedTrees::watch(const std::string& directory) {
  constexpr uint32_t kChanges =
      IN_MODIFY | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | IN_ONLYDIR;
  const int watch = ::inotify_add_watch(fd_, directory.c_str(), kChanges);
  check(watch >= 0, "inotify_add_watch works", directory);
  directories_[watch] = directory;
}

std::set<std::string> WatchedTrees::take_changes() {
  std::set<std::string> paths;
  alignas(inotify_event) std::array<char, 16384> buffer;
  for (ssize_t length; (length = ::read(fd_, buffer.data(), buffer.size())) > 0;) {
    for (const char* at = buffer.data(); at < buffer.data() + length;) {
      inotify_event event = {};
      std::memcpy(&event, at, sizeof(event));
      check((event.mask & IN_Q_OVERFLOW) == 0, "no change is lost");
      const std::string name = event.len > 0 ? "/" + std::string(at + sizeof(event)) : "";
      paths.insert(directories_[event.wd] + name);
      at += sizeof(event) + event.len;
    }
  }
  return paths;
}

}  // namespace tuneshift::fuzz
