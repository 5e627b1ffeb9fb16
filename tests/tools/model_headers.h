// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model_layout.h"

namespace tuneshift {

enum class ModelFormat { safetensors, gguf, torch };

/// What stands in a model file around its tensors' bytes.
struct ModelFrame {
  std::string head;
  uint64_t payload_bytes = 0;
  std::string tail;                 ///< a zip's directory
  std::vector<size_t> checksum_at;  ///< where the payload's CRC-32 goes, from the file's start
};

/// The frame of a file of exactly `file_bytes` (even, at least 1 MiB); an empty head when no such
/// file can be laid out. `bf16`: elements are BF16, else F16.
ModelFrame make_frame(ModelFormat format, uint64_t file_bytes, bool bf16);

}  // namespace tuneshift
