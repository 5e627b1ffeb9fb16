// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libtune/format_rule.h"

namespace tuneshift {

/// Whether a file's beginning is built as the format's own library writes it: lengths and counts
/// must fit the file's size. Returns what it is in one line; absent when it is not.
std::optional<std::string> check_format(FormatCheck check, std::string_view beginning,
                                        uint64_t file_size);

}  // namespace tuneshift
