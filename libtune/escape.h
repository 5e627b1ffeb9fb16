// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <string_view>

namespace tuneshift {

/// Text that is safe for a terminal, a log and D-Bus: control characters, invalid UTF-8 (overlong
/// forms, surrogates) and backslashes become \xNN. At most `max_bytes` of input are taken; cut
/// text ends in "…".
std::string escape(std::string_view raw, size_t max_bytes = 4096);

/// Appends `\xNN` for each byte.
void append_hex(std::string& out, std::string_view bytes);

}  // namespace tuneshift
