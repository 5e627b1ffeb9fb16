// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace tuneshift {

/// A file that the slow store serves. One in memory is mapped, so that the kernel copies what is
/// read once, out of the page cache: another machine's copies would not take this one's CPUs. One
/// on a disk is not, as whoever maps a model there is one of its readers.
class ServedFile {
 public:
  /// Takes the descriptor.
  explicit ServedFile(int fd);
  ServedFile(const ServedFile&) = delete;
  ServedFile& operator=(const ServedFile&) = delete;
  ~ServedFile();

  /// What a read is answered with, and how many bytes of it there are; < 0: errno. It stays until
  /// the thread's next call. What is cut off the file later, the kernel meets as it copies: EIO.
  ssize_t take(uint64_t offset, size_t wanted, const char*& data) const;

 private:
  int fd_;
  char* data_ = nullptr;
  size_t size_ = 0;  ///< of the mapping
};

/// Those that are open, also when the store ends.
class ServedFiles {
 public:
  ServedFile* add(int fd);
  void remove(const ServedFile* file);

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<ServedFile>> files_;
};

}  // namespace tuneshift
