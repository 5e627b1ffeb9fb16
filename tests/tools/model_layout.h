// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tuneshift {

/// One tensor of 16-bit elements; its bytes follow those of the tensor before it.
struct Tensor {
  std::string name;
  std::vector<uint64_t> shape;
  uint64_t offset = 0;  ///< bytes, from the start of the payload

  [[nodiscard]] uint64_t elements() const;
  [[nodiscard]] uint64_t bytes() const { return elements() * 2; }
};

/// The tensors of a decoder (12 layers, 32 from 1 GiB) that fill exactly `payload_bytes` (even, at
/// least 512 KiB), in the order of the file: layer 2 comes before layer 10. All but the last start
/// at a multiple of 32.
std::vector<Tensor> lay_out_model(uint64_t payload_bytes);

}  // namespace tuneshift
