// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <map>
#include <set>
#include <string>

namespace tuneshift::fuzz {

/// Tells which files below some folders were changed, made or removed, by whatever path: inotify(7)
/// asks nothing of the files that were left alone.
class WatchedTrees {
 public:
  WatchedTrees();
  WatchedTrees(const WatchedTrees&) = delete;
  WatchedTrees& operator=(const WatchedTrees&) = delete;
  ~WatchedTrees();

  /// Watches the folder and all that are in it now.
  void add(const std::string& root);

  /// Absolute paths without symbolic links, since the last call.
  std::set<std::string> take_changes();

 private:
  void watch(const std::string& directory);
  int fd_ = -1;
  std::map<int, std::string> directories_;  // by watch descriptor
};

}  // namespace tuneshift::fuzz
