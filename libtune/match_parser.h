// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <optional>

#include "libtune/match.h"
#include "libtune/mistakes.h"
#include "libtune/yaml_document.h"

namespace tuneshift {

/// The value of a `match:` key. Nothing when there was a mistake.
std::optional<Match> parse_match(const YamlNode& key, const YamlNode& value,
                                 FileMistakes& mistakes);

}  // namespace tuneshift
