// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>

#include "client/format.h"
#include "client/json.h"

namespace tuneshift::top {

/// The model as text of at most `style.columns` a line (0: any) and `rows` lines (0: any); the last
/// line says how many did not fit. Ends with a newline.
std::string render(const Json& model, const Style& style, size_t rows);

}  // namespace tuneshift::top
