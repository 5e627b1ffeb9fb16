// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string_view>

namespace tuneshift::fuzz {

/// Ends the program with a message where a property does not hold: libFuzzer then keeps the input.
void check(bool holds, std::string_view property, std::string_view seen = {});

/// Whether a person may be shown this: one line of valid UTF-8 without control characters.
bool is_readable(std::string_view text);

}  // namespace tuneshift::fuzz
