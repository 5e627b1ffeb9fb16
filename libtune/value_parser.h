// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <optional>
#include <string>

#include "libtune/catalogue.h"
#include "libtune/mistakes.h"
#include "libtune/value.h"
#include "libtune/yaml_document.h"

namespace tuneshift {

/// What a profile says of one knob.
struct ParsedValue {
  ValueSpec value;
  std::string why;     ///< one line, may be empty
  std::string source;  ///< one line, may be empty
};

/// A word or number, a percentage of memory ("0.5%"), so many for each CPU ("2/cpu"), a list of
/// words of which the first that the kernel offers is taken, or a map of `value` (one of these),
/// `at_least`, `at_most`, `only` (raise, lower), `why` and `source`. `key` is the knob's name in
/// the file. Nothing when there was a mistake.
std::optional<ParsedValue> parse_value(const KnobInfo& kind, const YamlNode& key,
                                       const YamlNode& value, FileMistakes& mistakes);

}  // namespace tuneshift
