// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tuneshift {

/// Which of the equal parts of a file a process has mapped a page of. A part once seen stays: what
/// is unmapped or taken from the process later was there all the same.
class Coverage {
 public:
  static constexpr size_t most_parts = 8192;

  /// 1024 for a small file, then parts of 16 MiB: a store of 49 MB/s gives three a second. At most
  /// most_parts, as each costs a look.
  static size_t parts(uint64_t file_size);

  /// The byte that stands for a part of a file of this size: off its ends, and off both ends of
  /// each 4 MiB, where reading ahead through a mapping touches pages of it.
  static uint64_t place(size_t part, uint64_t file_size);

  void set(size_t part) { seen_.set(part); }
  [[nodiscard]] bool has(size_t part) const { return seen_.test(part); }
  [[nodiscard]] size_t count() const { return seen_.count(); }
  /// Adds what another has; how many parts were new.
  size_t add(const Coverage& other);

  [[nodiscard]] bool is_whole(uint64_t file_size) const { return count() >= parts(file_size); }
  /// So many parts of a file in bytes: all of it for all parts.
  static uint64_t bytes(size_t count, uint64_t file_size);

  [[nodiscard]] std::vector<uint64_t> words() const;
  /// most_parts / 64 words; fewer leave the rest unseen.
  static Coverage from_words(const std::vector<uint64_t>& words);

  bool operator==(const Coverage&) const = default;

 private:
  std::bitset<most_parts> seen_;
};

}  // namespace tuneshift
