// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "client/format.h"
#include "client/json.h"

namespace tuneshift {

/// What the history and the described loads come to: loads with their gains, changes by knob,
/// reasons of rejections, totals. Rows of mode observe are in "would_write".
Json build_report(const Json& history, const Json& loads);

/// A report, to which "since" and "mode" were added, for people.
std::string render_report(const Json& report, const Style& style);

}  // namespace tuneshift
