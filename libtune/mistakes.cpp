// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/mistakes.h"

#include <algorithm>
#include <tuple>

#include "libtune/escape.h"

namespace tuneshift {

std::string quoted(std::string_view word) {
  constexpr size_t kLongestWord = 64;
  return "'" + escape(word, kLongestWord) + "'";
}

void sort_by_position(Diagnostics& mistakes, size_t first) {
  const auto before = [](const Diagnostic& a, const Diagnostic& b) {
    return std::tie(a.file, a.line, a.column) < std::tie(b.file, b.line, b.column);
  };
  std::stable_sort(mistakes.begin() + static_cast<std::ptrdiff_t>(first), mistakes.end(), before);
}

}  // namespace tuneshift
