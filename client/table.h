// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <vector>

#include "client/format.h"

namespace tuneshift {

enum class Align { left, right };

struct Column {
  std::string header;
  Align align = Align::left;
  /// Where the terminal is too narrow, the widest columns with a limit shrink, not below it.
  /// 0: never.
  size_t least_width = 0;
  bool keep_tail = false;  ///< cut at the front: the end of a path says more
  /// Where shrinking would not be enough, columns are left out, the lowest of these first.
  /// 0: never.
  int expendable = 0;
};

struct Cell {
  std::string text;  ///< printed through printable()
  Colour colour = Colour::none;
  Cell(std::string content, Colour paint_with = Colour::none)  // NOLINT: implicit by intent
      : text(std::move(content)), colour(paint_with) {}
  Cell(const char* content) : text(content) {}  // NOLINT: implicit by intent
};

/// Aligned columns under their headers.
class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  void add(std::vector<Cell> row);
  [[nodiscard]] bool empty() const { return rows_.empty(); }
  /// Ends with a newline; columns that are empty in every row are left out.
  [[nodiscard]] std::string render(const Style& style) const;

 private:
  /// Of every column; 0 for one that is left out.
  [[nodiscard]] std::vector<size_t> widths(const Style& style) const;
  [[nodiscard]] size_t least_width(size_t column, size_t natural_width) const;
  void leave_out(std::vector<size_t>& widths, size_t available) const;
  void shrink(std::vector<size_t>& widths, size_t available) const;
  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace tuneshift
