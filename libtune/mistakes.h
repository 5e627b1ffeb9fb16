// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <string_view>

#include "libtune/diagnostic.h"

namespace tuneshift {

/// A place in a text, both from 1; the column counts bytes. Line 0: the whole file.
struct Position {
  int line = 0;
  int column = 0;
};

/// Collects the mistakes of one file.
class FileMistakes {
 public:
  FileMistakes(std::string file, Diagnostics& mistakes)
      : file_(std::move(file)), mistakes_(mistakes) {}

  void add(Position at, std::string message) {
    mistakes_.push_back({file_, at.line, at.column, std::move(message)});
  }

  /// About the file as a whole.
  void add(std::string message) { add(Position{}, std::move(message)); }

 private:
  std::string file_;
  Diagnostics& mistakes_;
};

/// A word of somebody's file as it may stand in a message: escaped, cut, in single quotes.
std::string quoted(std::string_view word);

/// Orders the diagnostics from `first` on by file, line and column.
void sort_by_position(Diagnostics& mistakes, size_t first);

}  // namespace tuneshift
