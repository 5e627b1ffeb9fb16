// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <vector>

#include "daemon/follow_protocol.h"
#include "daemon/helper/mapped_ranges.h"
#include "daemon/helper/process_dir.h"
#include "daemon/unique_fd.h"
#include "libtune/event.h"
#include "libtune/result.h"

namespace tuneshift {

/// Looks again and again at what of a file a process has mapped and touched, in its
/// proc/PID/pagemap (Documentation/admin-guide/mm/pagemap.rst), and at how much it has read.
///
/// A look reads 8 bytes for each part of the file (Coverage) that it is for and that was not seen
/// before, and the process's mappings when they are worth it.
class ReaderLook {
 public:
  /// Needs CAP_SYS_PTRACE for another user's process, here and in look(). not_found when it holds
  /// no such file.
  static Result<ReaderLook> open(const ProcessDir& process, const FileId& file, uint64_t file_size);

  /// False when the process has gone. A reader goes on behind what it has, which is always looked
  /// at; of the rest one part in `turns`, the next each time.
  bool look(FollowReport& report, size_t turns);

 private:
  ReaderLook() = default;

  void look_at_pages(Coverage& coverage, size_t turns);
  void look_at_mappings();
  [[nodiscard]] bool is_mapped_in(uint64_t address) const;
  [[nodiscard]] uint64_t read_bytes() const;

  UniqueFd maps_;
  UniqueFd pagemap_;
  UniqueFd io_;
  FileId shown_;  ///< as the process's maps show the file
  uint64_t file_size_ = 0;
  uint64_t page_bytes_ = 0;
  size_t turn_ = 0;  ///< which of the parts that are looked at by turns
  uint64_t read_at_start_ = 0;
  std::vector<MappedRange> ranges_;
  uint64_t mappings_ns_ = 0;       ///< when they were read
  uint64_t mappings_cost_ns_ = 0;  ///< how long that took
};

}  // namespace tuneshift
