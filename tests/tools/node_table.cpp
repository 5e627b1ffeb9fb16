// SPDX-License-Identifier: LGPL-2.1-or-later
#include "node_table.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace tuneshift {

NodeTable::NodeTable(int root_fd) {
  nodes_[root] = Node{root_fd, 1, {}};
}

NodeTable::~NodeTable() {
  for (const auto& [number, node] : nodes_) close(node.fd);
}

int NodeTable::descriptor(uint64_t number) {
  std::lock_guard lock(mutex_);
  auto found = nodes_.find(number);
  return found == nodes_.end() ? -1 : found->second.fd;
}

int NodeTable::look_up(uint64_t parent, const char* name, uint64_t& number,
                       struct stat& attributes) {
  const int fd = openat(descriptor(parent), name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return errno;
  if (fstat(fd, &attributes) != 0) {
    const int failure = errno;
    close(fd);
    return failure;
  }
  const FileKey key{attributes.st_dev, attributes.st_ino};
  std::lock_guard lock(mutex_);
  auto [entry, added] = numbers_.try_emplace(key, next_number_);
  number = entry->second;
  if (added) {
    nodes_[next_number_++] = Node{fd, 1, key};
  } else {
    close(fd);
    ++nodes_[number].references;
  }
  return 0;
}

void NodeTable::forget(uint64_t number, uint64_t references) {
  std::lock_guard lock(mutex_);
  auto found = nodes_.find(number);
  if (number == root || found == nodes_.end()) return;
  if (found->second.references > references) {
    found->second.references -= references;
    return;
  }
  close(found->second.fd);
  numbers_.erase(found->second.key);
  nodes_.erase(found);
}

}  // namespace tuneshift
