// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <string>

namespace tuneshift {

/// Keeps the first `most_bytes` of a file in memory (mlock(2)) for as long as it lives. Where that
/// fails, or is not permitted, nothing is kept: only speed is lost.
class PinnedFile {
 public:
  PinnedFile(const std::string& path, size_t most_bytes);
  PinnedFile(const PinnedFile&) = delete;
  PinnedFile& operator=(const PinnedFile&) = delete;
  ~PinnedFile();

 private:
  void* map_ = nullptr;
  size_t length_ = 0;
};

}  // namespace tuneshift
