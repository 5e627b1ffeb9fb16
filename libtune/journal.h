// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libtune/result.h"

namespace tuneshift {

/// What the journal proves about one knob: the base for putting it back.
struct JournalEntry {
  std::string knob;      ///< canonical name
  std::string original;  ///< text before our first write
  /// Every text of ours that the kernel may show now: confirmed read-backs and the values of
  /// intents that were never confirmed.
  std::vector<std::string> ours;
  bool unconfirmed = false;  ///< the last intent has no read-back: the kernel may have rounded it
  bool guarded = false;  ///< a write to another knob may have moved it: whatever it shows is ours
  bool yielded = false;  ///< somebody else's value stands: leave it alone
};

/// What reading a journal gave: never an error for a damaged one.
struct JournalContents {
  std::vector<JournalEntry> entries;  ///< in the order of their first intent
  std::vector<std::string> problems;  ///< damaged or foreign lines, one sentence each
  bool is_read = true;  ///< false when the file could not be read: it may hold any entry
};

/// The append-only record in the run directory of what was changed from what, written before each
/// write to the kernel. Checksummed line by line; a torn last line is normal after a kill.
class Journal {
 public:
  /// Opens or creates DIRECTORY/journal (O_NOFOLLOW, mode 0600) and takes its flock for life,
  /// waiting up to `wait_ms`. busy when another process keeps it; permission when the directory or
  /// the file is a symbolic link, or writable by others, or owned by somebody else.
  static Result<Journal> open(const std::string& directory, int wait_ms);

  Journal(Journal&& other) noexcept;
  Journal& operator=(Journal&&) = delete;
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;
  ~Journal();

  /// All that was recorded and not yet settled.
  [[nodiscard]] JournalContents read() const;

  /// Records that `value` is about to be written over `current`. Returns once it is in the file.
  Status append_intent(const std::string& knob, const std::string& original,
                       const std::string& value);
  /// Records that a write to another knob, or one whose result cannot be known, is about to move
  /// this one: until its next record whatever it shows is held to be our doing.
  Status append_guard(const std::string& knob, const std::string& original);
  /// Records what the kernel shows after the write.
  Status append_confirm(const std::string& knob, const std::string& read_back);
  /// The write failed and the knob still shows what it was before it.
  Status append_abort(const std::string& knob);
  /// The knob is back at its original: nothing of ours is in force.
  Status append_restored(const std::string& knob);
  /// Somebody else's value stands.
  Status append_yielded(const std::string& knob);
  /// Empties the file; busy while an entry is neither settled nor yielded.
  Status clear();

 private:
  Journal(int fd, int directory_fd) : fd_(fd), directory_fd_(directory_fd) {}
  Status append(const std::string& line);
  Status compact();
  int fd_ = -1;
  int directory_fd_ = -1;
  int64_t compact_above_bytes_ = 0;
  bool is_torn_ = false;  ///< a part of a line that did not fit could not be cut off again
};

}  // namespace tuneshift
