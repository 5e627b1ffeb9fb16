// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/table.h"

#include <algorithm>

#include "client/utf8.h"

namespace tuneshift {

namespace {

constexpr size_t kGap = 2;

std::string padding(size_t width, const std::string& text) {
  const size_t used = utf8_count(text);
  return std::string(width > used ? width - used : 0, ' ');
}

/// Columns of width 0 are not shown.
size_t line_width(const std::vector<size_t>& widths) {
  size_t sum = 0;
  for (const size_t width : widths) {
    if (width != 0) sum += (sum == 0 ? 0 : kGap) + width;
  }
  return sum;
}

void trim_end(std::string& line) {
  while (!line.empty() && line.back() == ' ') line.pop_back();
}

}  // namespace

void Table::add(std::vector<Cell> row) {
  for (auto& cell : row) cell.text = printable(cell.text);
  rows_.push_back(std::move(row));
}

std::vector<size_t> Table::widths(const Style& style) const {
  std::vector<size_t> widths(columns_.size(), 0);
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size() && i < widths.size(); ++i)
      widths[i] = std::max(widths[i], utf8_count(row[i].text));
  }
  for (size_t i = 0; i < widths.size(); ++i) {
    if (widths[i] != 0) widths[i] = std::max(widths[i], utf8_count(columns_[i].header));
  }
  if (style.columns == 0) return widths;
  leave_out(widths, style.columns);
  shrink(widths, style.columns);
  return widths;
}

size_t Table::least_width(size_t column, size_t natural_width) const {
  const Column& wanted = columns_[column];
  if (wanted.least_width == 0 || natural_width == 0) return natural_width;
  return std::min(natural_width, std::max(wanted.least_width, utf8_count(wanted.header)));
}

void Table::leave_out(std::vector<size_t>& widths, size_t available) const {
  while (true) {
    std::vector<size_t> least(widths.size());
    size_t first = widths.size();
    for (size_t i = 0; i < widths.size(); ++i) {
      least[i] = least_width(i, widths[i]);
      if (widths[i] == 0 || columns_[i].expendable == 0) continue;
      if (first == widths.size() || columns_[i].expendable < columns_[first].expendable) first = i;
    }
    if (line_width(least) <= available || first == widths.size()) return;
    widths[first] = 0;
  }
}

void Table::shrink(std::vector<size_t>& widths, size_t available) const {
  while (line_width(widths) > available) {
    size_t widest = widths.size();
    for (size_t i = 0; i < widths.size(); ++i) {
      if (widths[i] <= least_width(i, widths[i])) continue;
      if (widest == widths.size() || widths[i] > widths[widest]) widest = i;
    }
    if (widest == widths.size()) return;
    --widths[widest];
  }
}

std::string Table::render(const Style& style) const {
  const std::vector<size_t> width = widths(style);
  const auto shown = [&width](size_t i) { return width[i] != 0; };
  std::string out;
  const auto add_line = [&](const std::vector<Cell>& row) {
    std::string line;
    for (size_t i = 0; i < row.size() && i < columns_.size(); ++i) {
      if (!shown(i)) continue;
      const std::string text = fit(row[i].text, width[i], columns_[i].keep_tail);
      const std::string painted = paint(style, row[i].colour, text);
      const std::string space = padding(width[i], text);
      line += columns_[i].align == Align::right ? space + painted : painted + space;
      line.append(kGap, ' ');
    }
    trim_end(line);
    out += line + '\n';
  };
  std::vector<Cell> headers;
  for (const auto& column : columns_) headers.emplace_back(column.header, Colour::bold);
  if (!rows_.empty()) add_line(headers);
  for (const auto& row : rows_) add_line(row);
  return out;
}

}  // namespace tuneshift
