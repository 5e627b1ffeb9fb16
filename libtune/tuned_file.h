// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libtune/result.h"

namespace tuneshift {

/// One section of a tuned.conf, in the file's order.
struct TunedSection {
  std::string name;
  std::vector<std::pair<std::string, std::string>> options;  ///< distinct keys

  /// Takes an option out; empty when there is none.
  std::string take(std::string_view key);
  [[nodiscard]] const std::string* find(std::string_view key) const;
  /// Adds an option, or gives it another value.
  void set(const std::string& key, std::string value);
};

/// Parses a tuned.conf as Python's configparser does for tuned: "key = value", values that go on in
/// indented lines, '#' and ';' comments, sections that come twice are one. `headless`: lines before
/// the first section belong to one without a name. invalid_argument, with the line, for anything
/// else; limit_exceeded above 4096 options.
Result<std::vector<TunedSection>> parse_tuned_file(std::string_view text, bool headless = false);

}  // namespace tuneshift
