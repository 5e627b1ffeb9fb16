// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>

#include "libtune/diagnostic.h"

namespace tuneshift::fuzz {

/// Every diagnostic is one readable line about a place within `text`, the content of `file`.
void check_diagnostics(const Diagnostics& diagnostics, const std::string& file,
                       const std::string& text);

/// Whether a line and a column, both from 1, are in the text; one past the end of a line is.
bool is_place_in(const std::string& text, int line, int column);

}  // namespace tuneshift::fuzz
