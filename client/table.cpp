// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/table.h"

#include <algorithm>
#include <numeric>

#include "client/utf8.h"

namespace tuneshift {

namespace {

constexpr size_t kGap = 2;

std::string padding(size_t width, const std::string& text) {
  const size_t used = utf8_count(text);
  return std::string(width > used ? width - used : 0, ' ');
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
  const auto used = [&widths] {
    const auto shown = static_cast<size_t>(
        std::count_if(widths.begin(), widths.end(), [](size_t width) { return width != 0; }));
    return std::accumulate(widths.begin(), widths.end(), size_t{0}) +
           (shown == 0 ? 0 : shown - 1) * kGap;
  };
  while (used() > style.columns) {
    size_t widest = widths.size();
    for (size_t i = 0; i < widths.size(); ++i) {
      const size_t least = std::max(columns_[i].least_width, utf8_count(columns_[i].header));
      if (columns_[i].least_width == 0 || widths[i] <= least) continue;
      if (widest == widths.size() || widths[i] > widths[widest]) widest = i;
    }
    if (widest == widths.size()) break;
    --widths[widest];
  }
  return widths;
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
