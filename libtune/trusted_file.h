// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "libtune/result.h"

namespace tuneshift {

/// A directory whose content only root or the user that runs this can change. It is checked once,
/// on the descriptor that all later calls use. Messages do not repeat the path: `Error::path` has
/// it.
class TrustedDirectory {
 public:
  /// not_found when there is none; permission when others than its owner may write it, or it is
  /// owned by neither root nor the caller. A symbolic link as last component is refused.
  static Result<TrustedDirectory> open(const std::string& path);

  TrustedDirectory(TrustedDirectory&& other) noexcept;
  TrustedDirectory& operator=(TrustedDirectory&&) = delete;
  TrustedDirectory(const TrustedDirectory&) = delete;
  TrustedDirectory& operator=(const TrustedDirectory&) = delete;
  ~TrustedDirectory();

  /// Names that end in `suffix` and do not start with a dot, sorted. limit_exceeded when there are
  /// more than `max_names`.
  [[nodiscard]] Result<std::vector<std::string>> list(const std::string& suffix,
                                                      size_t max_names) const;

  /// The content of a regular file in it, under the same conditions as the directory itself.
  /// limit_exceeded when it is larger than `max_bytes`.
  [[nodiscard]] Result<std::string> read(const std::string& name, size_t max_bytes) const;

  /// The path of a file in it, for messages.
  [[nodiscard]] std::string path_of(const std::string& name) const { return path_ + "/" + name; }

 private:
  TrustedDirectory(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  int fd_ = -1;
  std::string path_;
};

/// One file by its path: its directory is checked as well.
Result<std::string> read_trusted_file(const std::string& path, size_t max_bytes);

}  // namespace tuneshift
