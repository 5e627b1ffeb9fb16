// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/device_mapper.h"

#include <algorithm>
#include <sstream>

#include "libtune/number.h"

namespace tuneshift {

namespace {

constexpr std::string_view parameter = "migration_threshold";

Error none(std::string_view rest) {
  return {ErrorCode::not_found, "device-mapper: no cache '" + std::string(rest) + "'", {}, 0};
}

}  // namespace

std::optional<uint64_t> migration_threshold_in(std::string_view status) {
  std::istringstream words{std::string(status)};
  std::string word;
  // Eleven words about blocks, then the features: their number and so many words.
  constexpr int before_features = 11;
  for (int i = 0; i < before_features; ++i) words >> word;
  unsigned features = 0;
  if (!(words >> features)) return std::nullopt;
  while (features > 0 && words >> word) --features;
  unsigned arguments = 0;
  words >> arguments;
  for (std::string value; arguments >= 2 && words >> word >> value; arguments -= 2) {
    if (word != parameter) continue;
    const auto number = parse_integer(value);
    if (number && *number >= 0) return static_cast<uint64_t>(*number);
  }
  return std::nullopt;
}

DeviceMapper::DeviceMapper(const KernelFs& kernel, std::unique_ptr<MapControl> control)
    : kernel_(kernel), control_(std::move(control)) {}

Result<DeviceMapper::Cache> DeviceMapper::find(std::string_view rest) {
  const size_t slash = rest.find('/');
  const std::string_view device = rest.substr(0, slash);
  if (slash == std::string_view::npos || rest.substr(slash + 1) != parameter ||
      !is_device_name(device)) {
    return none(rest);
  }
  const std::string directory = "sys/block/" + std::string(device);
  const auto number = kernel_.read(directory + "/dev");
  const auto map = number ? parse_device_number(number.value()) : std::nullopt;
  if (!map || !kernel_.exists(directory + "/dm/name")) return none(rest);
  auto targets = control_->status(*map);
  if (!targets) return targets.error();
  const auto is_cache = [](const MapTarget& target) { return target.type == "cache"; };
  const auto& all = targets.value();
  const auto found = std::find_if(all.begin(), all.end(), is_cache);
  if (found == all.end()) return none(rest);
  if (std::count_if(all.begin(), all.end(), is_cache) > 1) {
    return Error{ErrorCode::unsupported,
                 "device-mapper: " + std::string(device) + " has several caches",
                 {},
                 0};
  }
  return Cache{*map, *found};
}

Result<std::string> DeviceMapper::read(std::string_view rest) {
  const std::lock_guard lock(mutex_);
  const auto cache = find(rest);
  if (!cache) return cache.error();
  const auto threshold = migration_threshold_in(cache.value().target.status);
  if (threshold) return std::to_string(*threshold);
  return Error{ErrorCode::unsupported,
               "device-mapper: the cache of " + std::string(rest) + " says '" +
                   cache.value().target.status + "'",
               {},
               0};
}

Status DeviceMapper::write(std::string_view rest, std::string_view value) {
  const auto number = parse_integer(value);
  if (!number || *number < 0) {
    return Error{ErrorCode::invalid_argument,
                 "device-mapper: '" + std::string(value) + "' is no number of sectors",
                 {},
                 0};
  }
  const std::lock_guard lock(mutex_);
  const auto cache = find(rest);
  if (!cache) return cache.error();
  return control_->message(cache.value().map, cache.value().target.start_sector,
                           std::string(parameter) + " " + std::to_string(*number));
}

}  // namespace tuneshift
