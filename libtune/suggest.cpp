// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/suggest.h"

#include <algorithm>
#include <numeric>

namespace tuneshift {

namespace {

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({above + 1, row[j - 1] + 1, replaced});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string_view>& candidates) {
  constexpr size_t kMostEdits = 3;
  std::string_view best;
  size_t best_distance = kMostEdits + 1;
  for (std::string_view candidate : candidates) {
    if (word.size() > candidate.size() + kMostEdits) continue;
    const size_t distance = edit_distance(word, candidate);
    if (distance < best_distance && distance * 2 <= candidate.size()) {
      best = candidate;
      best_distance = distance;
    }
  }
  return std::string(best);
}

std::string did_you_mean(std::string_view suggestion) {
  if (suggestion.empty()) return "";
  return ", did you mean '" + std::string(suggestion) + "'?";
}

}  // namespace tuneshift
