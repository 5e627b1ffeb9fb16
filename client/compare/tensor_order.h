// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace tuneshift {

/// Byte range within a file: first, one past the last.
using Range = std::pair<uint64_t, uint64_t>;

/// The tensors of a safetensors file, in the order in which its header names them, with the header
/// as the first range. Empty when `file` does not start with such a header.
std::vector<Range> tensor_order(std::string_view file);

}  // namespace tuneshift
