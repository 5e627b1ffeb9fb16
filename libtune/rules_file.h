// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>

#include "libtune/mistakes.h"
#include "libtune/rules.h"

namespace tuneshift {

/// Parses the text of one file of rules; `path` is used in the diagnostics. Every mistake is
/// collected; what is returned keeps to the bounds all the same. An empty text has no rules.
Rules parse_rules_file(const std::string& text, const std::string& path, Diagnostics& mistakes);

}  // namespace tuneshift
