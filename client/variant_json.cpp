// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/variant_json.h"

#include <cstdint>

namespace tuneshift {

namespace {

using Dictionary = std::map<std::string, sdbus::Variant>;

/// The value as the one of these types that the variant's signature names.
template <typename... T>
Json convert_as(const sdbus::Variant& variant) {
  Json result;
  (void)((variant.containsValueOfType<T>() && (result = to_json(variant.get<T>()), true)) || ...);
  return result;
}

}  // namespace

Json to_json(const sdbus::Variant& variant) {
  if (variant.isEmpty()) return {};
  if (variant.containsValueOfType<sdbus::ObjectPath>())
    return std::string(variant.get<sdbus::ObjectPath>());
  return convert_as<std::string, bool, uint64_t, int64_t, uint32_t, int32_t, uint16_t, int16_t,
                    uint8_t, double, std::vector<std::string>, std::vector<uint64_t>,
                    std::vector<uint32_t>, std::map<std::string, std::string>,
                    std::map<std::string, uint64_t>,
                    std::map<std::string, sdbus::Struct<std::string, std::string>>, Dictionary,
                    std::vector<Dictionary>, sdbus::Variant>(variant);
}

std::string snake_case(const std::string& name) {
  std::string out;
  for (const char c : name) {
    const bool upper = c >= 'A' && c <= 'Z';
    if (upper && !out.empty()) out += '_';
    out += upper ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}

Json properties_to_json(const Dictionary& properties) {
  Json object = Json::object();
  for (const auto& [name, value] : properties) object.set(snake_case(name), to_json(value));
  return object;
}

}  // namespace tuneshift
