// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/glob.h"

namespace tuneshift {

bool matches_glob(std::string_view pattern, std::string_view text) {
  size_t at = 0;
  size_t seen = 0;
  // Only the last star may have to take more: what an earlier one gave up was matched already.
  size_t after_star = std::string_view::npos;
  size_t star_ends = 0;
  while (seen < text.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      after_star = ++at;
      star_ends = seen;
    } else if (at < pattern.size() && (pattern[at] == '?' || pattern[at] == text[seen])) {
      ++at;
      ++seen;
    } else if (after_star != std::string_view::npos) {
      at = after_star;
      seen = ++star_ends;
    } else {
      return false;
    }
  }
  while (at < pattern.size() && pattern[at] == '*') ++at;
  return at == pattern.size();
}

}  // namespace tuneshift
