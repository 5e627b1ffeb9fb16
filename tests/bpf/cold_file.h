// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string>

#include "libtune/event.h"

namespace tuneshift::test {

/// A directory of its own on the machine's disk, removed with what is in it.
class ScratchDirectory {
 public:
  ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  ~ScratchDirectory();

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// A file of real data, none of it in the page cache.
class ColdFile {
 public:
  ColdFile(const ScratchDirectory& directory, uint64_t size);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] uint64_t size() const { return size_; }
  [[nodiscard]] FileId id() const;
  /// Drops it from the page cache again, but for pages that somebody keeps holding.
  void make_cold() const;

 private:
  std::string path_;
  uint64_t size_;
};

FileId file_id(const std::string& path);

}  // namespace tuneshift::test
