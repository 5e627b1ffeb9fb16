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
  std::string device;    ///< device_identity() of then; empty when machine-wide or not known
  /// Every text of ours that the kernel may show now: confirmed read-backs and the values of
  /// intents that were never confirmed.
  std::vector<std::string> ours;
  bool unconfirmed = false;  ///< the last intent has no read-back: the kernel may have rounded it
  bool guarded = false;  ///< a write to another knob may have moved it: whatever it shows is ours
  bool yielded = false;  ///< somebody else's value stands: leave it alone
  std::vector<std::string> gave_up;  ///< what was ours when it was yielded
};

/// Values of ours that another tool may have taken for an original of its own.
struct JournalCapture {
  std::string knob;               ///< canonical name
  std::string base;               ///< what that tool would have found without us
  std::vector<std::string> ours;  ///< what it may put back instead
};

/// What reading a journal gave: never an error for a damaged one.
struct JournalContents {
  std::vector<JournalEntry> entries;     ///< in the order of their first intent
  std::vector<JournalCapture> captures;  ///< by knob
  std::vector<std::string> problems;     ///< damaged or foreign lines, one sentence each
  bool is_read = true;  ///< false when the file could not be read: it may hold any entry
};

/// The append-only record in the run directory of what was changed from what, written before each
/// write to the kernel. Checksummed line by line; a torn last line is normal after a kill.
///
/// A line other than an intent that finds no room returns an error, and is kept all the same:
/// read() counts it, and it is written before the next one. A line that settles an entry must not
/// be lost, or a later restore takes what somebody else has set since for ours.
class Journal {
 public:
  /// Opens or creates DIRECTORY/journal (O_NOFOLLOW, mode 0600) and takes its flock for life,
  /// waiting up to `wait_ms`. busy when another process keeps it; permission when the directory or
  /// the file is a symbolic link, or writable by others, or owned by somebody else.
  static Result<Journal> open(const std::string& directory, int wait_ms);

  /// The same file without its lock, for when whoever keeps it runs no code of its own any more but
  /// hangs in the kernel: nobody else appends to it then, and the lock goes on keeping others away.
  /// not_found when there is no journal.
  static Result<Journal> open_of_dying(const std::string& directory);

  Journal(Journal&& other) noexcept;
  Journal& operator=(Journal&&) = delete;
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;
  ~Journal();

  /// All that was recorded and not yet settled.
  [[nodiscard]] JournalContents read() const;

  /// Records that `value` is about to be written over `current`. Returns once it is in the file.
  /// An entry of another device of that name is over.
  Status append_intent(const std::string& knob, const std::string& original,
                       const std::string& value, const std::string& device = {});
  /// Records that a write to another knob, or one whose result cannot be known, is about to move
  /// this one: until its next record whatever it shows is held to be our doing.
  Status append_guard(const std::string& knob, const std::string& original,
                      const std::string& device = {});
  /// Records what the kernel shows after the write.
  Status append_confirm(const std::string& knob, const std::string& read_back);
  /// The write failed and the knob still shows what it was before it.
  Status append_abort(const std::string& knob);
  /// The knob is back at its original: nothing of ours is in force.
  Status append_restored(const std::string& knob);
  /// Somebody else's value stands.
  Status append_yielded(const std::string& knob);
  /// What the knob showed before our first write is no longer what it goes back to: `original` is.
  Status append_rebased(const std::string& knob, const std::string& original);
  /// Another tool took `ours` for its original; without us it would have been `base`.
  Status append_captured(const std::string& knob, const std::string& ours, const std::string& base);
  /// That tool keeps this knob no longer.
  Status append_released(const std::string& knob);
  /// Drops all but the captures; busy while an entry is neither settled nor yielded.
  Status clear();
  /// Tries again to write the lines that found no room.
  Status write_kept();

 private:
  Journal(int fd, int directory_fd) : fd_(fd), directory_fd_(directory_fd) {}
  /// A line that found no room. Captures, which no other record ends, have no knob.
  struct Kept {
    std::string knob;
    std::string line;
  };
  Status append(const std::string& line);
  /// Keeps the line where it finds no room. `starts_over`: what is kept of the knob says no more.
  Status append_or_keep(const std::string& knob, const std::string& line, bool starts_over);
  /// The lines that are kept, as they will stand behind what is in the file.
  [[nodiscard]] std::string kept_lines() const;
  Status compact();
  /// Puts `text` in the file's place.
  Status replace(const std::string& text);
  int fd_ = -1;
  int directory_fd_ = -1;
  int64_t compact_above_bytes_ = 0;
  bool locked_ = true;
  bool is_torn_ = false;  ///< a part of a line that did not fit could not be cut off again
  std::vector<Kept> kept_;
};

}  // namespace tuneshift
