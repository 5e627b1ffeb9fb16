// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <unistd.h>

#include <cerrno>
#include <functional>
#include <map>
#include <string>
#include <system_error>
#include <vector>

#include "libtune/kernel_fs.h"
#include "tests/unit/kernel_tree.h"

namespace tuneshift::test {

/// A KernelFs over a tree that behaves as real kernels were seen to: one write is one step even
/// when its writer is killed, values are rounded, a write moves other knobs, or fails.
class FaultyKernelFs : public KernelFs {
 public:
  using Hook = std::function<void(const std::string& path, const std::string& value)>;

  explicit FaultyKernelFs(const KernelTree& tree) : KernelFs(tree.open()), tree_(tree) {}

  /// What a write to `path` shows afterwards, for kernels that round and decorate.
  void shows(const std::string& path, std::function<std::string(const std::string&)> text) {
    shown_[path] = std::move(text);
  }
  /// Writes to `path` fail with this error, before or after they had their effect; 0 ends it.
  void fail_writes(const std::string& path, int error, bool after_effect = false) {
    failures_[path] = {error, after_effect};
  }
  /// Reads of `path` fail with this error; 0 ends it.
  void fail_reads(const std::string& path, int error) { read_failures_[path] = error; }
  /// Writes of this one value fail with EINVAL.
  void refuse_value(const std::string& path, std::string value) {
    refused_[path] = std::move(value);
  }
  /// No inode can be looked at; 0 ends it.
  void fail_inodes(int error) { inode_error_ = error; }
  /// `hook` runs with each write to `path`, just before its effect.
  void on_write(const std::string& path, Hook hook) { hooks_[path] = std::move(hook); }
  /// `hook` runs right before the n-th next read of `path`: somebody else's turn.
  void before_read(const std::string& path, int n, std::function<void()> hook) {
    read_hooks_[path] = {n, std::move(hook)};
  }

  /// One step, as a kernel's own change is.
  void put(const std::string& path, const std::string& text) const {
    const std::string staged = path + ".staged";
    tree_.set(staged, text);
    if (::rename((tree_.root() + "/" + staged).c_str(), (tree_.root() + "/" + path).c_str()) != 0) {
      throw std::system_error(errno, std::generic_category(), path);
    }
  }

  [[nodiscard]] Result<std::string> read(std::string_view path) const override {
    const auto hook = read_hooks_.find(std::string(path));
    if (hook != read_hooks_.end() && --hook->second.first == 0) hook->second.second();
    const auto failure = read_failures_.find(std::string(path));
    if (failure != read_failures_.end() && failure->second != 0) {
      return errno_error(failure->second, "read", path);
    }
    return KernelFs::read(path);
  }

  [[nodiscard]] Result<uint64_t> inode(std::string_view path) const override {
    if (inode_error_ != 0) return errno_error(inode_error_, "stat", path);
    return KernelFs::inode(path);
  }

  Status write(std::string_view view, std::string_view value) override {
    const std::string path(view);
    const auto failure = failures_.find(path);
    const bool fails = failure != failures_.end() && failure->second.first != 0;
    if (!exists(path)) return errno_error(ENOENT, "open", path);
    if (fails) ++failed_writes;
    if (fails && !failure->second.second) return errno_error(failure->second.first, "write", path);
    const auto refused = refused_.find(path);
    if (refused != refused_.end() && refused->second == value) {
      return errno_error(EINVAL, "write", path);
    }
    writes.push_back(path + "=" + std::string(value));
    const auto hook = hooks_.find(path);
    if (hook != hooks_.end()) hook->second(path, std::string(value));
    const auto shown = shown_.find(path);
    put(path,
        (shown == shown_.end() ? std::string(value) : shown->second(std::string(value))) + "\n");
    if (fails) return errno_error(failure->second.first, "write", path);
    return {};
  }

  int failed_writes = 0;
  std::vector<std::string> writes;  ///< that had an effect, as "path=value"

 private:
  const KernelTree& tree_;
  int inode_error_ = 0;
  std::map<std::string, std::function<std::string(const std::string&)>> shown_;
  std::map<std::string, std::pair<int, bool>> failures_;
  std::map<std::string, int> read_failures_;
  std::map<std::string, std::string> refused_;
  std::map<std::string, Hook> hooks_;
  mutable std::map<std::string, std::pair<int, std::function<void()>>> read_hooks_;
};

}  // namespace tuneshift::test
