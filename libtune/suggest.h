// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tuneshift {

/// The candidate nearest to a misspelt word (at most 3 edits, and fewer than half of the
/// candidate), or empty.
std::string nearest(std::string_view word, const std::vector<std::string_view>& candidates);

/// ", did you mean 'x'?", or nothing when there is no suggestion.
std::string did_you_mean(std::string_view suggestion);

}  // namespace tuneshift
