// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tuneshift {

/// The model that a file belongs to.
struct Model {
  std::string name;  ///< the same for all its shards
  uint64_t bytes = 0;
  uint32_t shards = 1;  ///< those that exist
};

/// "model-00001-of-00007.safetensors" taken apart.
struct ShardName {
  std::string before;  ///< "model"
  std::string total;   ///< "00007"
  std::string after;   ///< ".safetensors"
  unsigned digits = 0;
  unsigned count = 0;

  [[nodiscard]] std::string shard(unsigned number) const;
};

std::optional<ShardName> parse_shard_name(std::string_view name);

/// The plain file names that the weight_map of an index names, each once. Empty when the text is
/// no such index.
std::vector<std::string> parse_weight_map(std::string_view json);

/// Names in a directory, at most 4096 of them, in no order.
std::vector<std::string> list_names(int directory_fd);

/// Finds the shards beside the file called `path` in its directory, by its name or by an index
/// (*.index.json) that lists it.
Model find_model(int directory_fd, const std::string& path, uint64_t file_size);

}  // namespace tuneshift
