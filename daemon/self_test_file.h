// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string>

#include "daemon/unique_fd.h"
#include "libtune/event.h"
#include "libtune/result.h"

namespace tuneshift {

/// A known file for the probes' self-test: as large as the size floor, sparse but for its first
/// `data_bytes`. It has no name, so nothing of it can be left behind.
class SelfTestFile {
 public:
  static constexpr uint64_t data_bytes = 1 << 20;

  /// unsupported when `directory` is on a file system without a block device.
  static Result<SelfTestFile> create(const std::string& directory, uint64_t size);

  [[nodiscard]] const FileId& id() const { return id_; }

  /// Takes it out of the page cache.
  Status make_cold();
  /// Reads the data once through the page cache.
  Status read_buffered();
  /// Reads the data once past the page cache; unsupported where the file system can't.
  Status read_direct();
  /// Maps the whole file, touching nothing.
  Status map();

 private:
  SelfTestFile(UniqueFd fd, FileId id, uint64_t size) : fd_(std::move(fd)), id_(id), size_(size) {}
  Status read_data();

  UniqueFd fd_;
  FileId id_;
  uint64_t size_;
};

}  // namespace tuneshift
