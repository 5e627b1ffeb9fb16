// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace tuneshift {

/// The files that the kernel knows, by the number it calls them; 1 is the root. Safe from all
/// threads.
class NodeTable {
 public:
  static constexpr uint64_t root = 1;

  /// Takes over `root_fd`.
  explicit NodeTable(int root_fd);
  NodeTable(const NodeTable&) = delete;
  NodeTable& operator=(const NodeTable&) = delete;
  ~NodeTable();

  /// The O_PATH descriptor of a node, -1 when it is unknown. Valid until the node is forgotten.
  int descriptor(uint64_t number);

  /// Looks `name` up in a directory and counts one reference. Returns 0 or an errno.
  int look_up(uint64_t parent, const char* name, uint64_t& number, struct stat& attributes);

  /// Drops references; without any left the node is gone.
  void forget(uint64_t number, uint64_t references);

 private:
  using FileKey = std::pair<dev_t, ino_t>;
  struct Node {
    int fd = -1;
    uint64_t references = 0;
    FileKey key;
  };

  std::mutex mutex_;
  std::unordered_map<uint64_t, Node> nodes_;
  std::map<FileKey, uint64_t> numbers_;
  uint64_t next_number_ = root + 1;
};

}  // namespace tuneshift
