// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <map>
#include <stdexcept>
#include <string>
#include <system_error>

#include "libtune/kernel_fs.h"

namespace tuneshift::test {

/// One thing in a KernelTree.
struct TreeEntry {
  enum class Kind { file, link, directory };
  Kind kind;
  std::string path;
  std::string text;  ///< a file's content, a link's target
};

inline TreeEntry file(std::string path, std::string text) {
  return {TreeEntry::Kind::file, std::move(path), std::move(text)};
}
inline TreeEntry symbolic_link(std::string path, std::string target) {
  return {TreeEntry::Kind::link, std::move(path), std::move(target)};
}
inline TreeEntry directory(std::string path) {
  return {TreeEntry::Kind::directory, std::move(path), {}};
}

/// A temporary directory that goes away with it, as one expression:
///   KernelTree tree{file("proc/sys/vm/swappiness", "60\n"), symbolic_link("sys/block/vda",
///   "../x/vda")};
class KernelTree {
 public:
  KernelTree(std::initializer_list<TreeEntry> entries) {
    std::string name = parent() + "/tuneshift-tree-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) {
      throw std::system_error(errno, std::generic_category(), "mkdtemp");
    }
    root_ = name;
    for (const TreeEntry& entry : entries) add(entry);
  }
  KernelTree(const KernelTree&) = delete;
  KernelTree& operator=(const KernelTree&) = delete;
  ~KernelTree() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }

  void add(const TreeEntry& entry) {
    const std::filesystem::path path = root_ / entry.path;
    std::filesystem::create_directories(path.parent_path());
    if (entry.kind == TreeEntry::Kind::directory) {
      std::filesystem::create_directories(path);
    } else if (entry.kind == TreeEntry::Kind::link) {
      std::filesystem::create_symlink(entry.text, path);
    } else {
      set(entry.path, entry.text);
    }
  }

  [[nodiscard]] std::string root() const { return root_.string(); }

  [[nodiscard]] std::string text(const std::string& path) const {
    std::ifstream stream(root_ / path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }

  /// Also what somebody else's write looks like.
  void set(const std::string& path, const std::string& text) const {
    std::ofstream stream(root_ / path, std::ios::binary | std::ios::trunc);
    stream << text;
    if (!stream.flush()) throw std::runtime_error("cannot write " + path);
  }

  void remove(const std::string& path) const { std::filesystem::remove_all(root_ / path); }

  /// Every file's content by its path; links are not followed.
  [[nodiscard]] std::map<std::string, std::string> snapshot() const {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root_)) {
      if (!entry.is_regular_file() || entry.is_symlink()) continue;
      const std::string path = std::filesystem::relative(entry.path(), root_).string();
      files[path] = text(path);
    }
    return files;
  }

  [[nodiscard]] KernelFs open() const {
    auto kernel = KernelFs::open(root());
    if (!kernel) throw std::runtime_error(kernel.error().message);
    return std::move(kernel).value();
  }

 private:
  /// In memory where there is such a place: ext4 waits for the disk when a file is replaced.
  /// TMPDIR is for callers that clean up after a program which may be killed.
  static std::string parent() {
    if (const char* chosen = std::getenv("TMPDIR"); chosen != nullptr) return chosen;
    const std::string in_memory = "/dev/shm";
    if (::access(in_memory.c_str(), W_OK) == 0) return in_memory;
    return std::filesystem::temp_directory_path().string();
  }

  std::filesystem::path root_;
};

}  // namespace tuneshift::test
