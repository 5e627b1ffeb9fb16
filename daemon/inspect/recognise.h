// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "libtune/facts.h"

namespace tuneshift {

/// How much of a file's beginning recognise() looks at.
inline constexpr size_t header_bytes = 4096;

struct Recognised {
  std::string format;  ///< empty: unknown
  std::string detail;  ///< one line: what it is, or why it is nothing known
};

/// Says what a file is by its first bytes and size.
Recognised recognise(std::string_view beginning, uint64_t file_size);

}  // namespace tuneshift
