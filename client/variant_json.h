// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "client/json.h"
#include "dbus/sdbus.h"

namespace tuneshift {

/// What a variant holds; null for a type that version 1 of the interface does not use. Throws
/// sdbus::Error when the message is damaged.
Json to_json(const sdbus::Variant& variant);

inline Json to_json(const std::string& text) {
  return text;
}
inline Json to_json(bool value) {
  return value;
}
inline Json to_json(double value) {
  return value;
}
template <std::integral T>
Json to_json(T number) {
  return number;
}

template <typename... T>
Json to_json(const sdbus::Struct<T...>& fields) {
  Json list = Json::array();
  std::apply([&list](const auto&... field) { (list.append(to_json(field)), ...); },
             static_cast<const std::tuple<T...>&>(fields));
  return list;
}

template <typename T>
Json to_json(const std::map<std::string, T>& dictionary);

template <typename T>
Json to_json(const std::vector<T>& values) {
  Json list = Json::array();
  for (const auto& value : values) list.append(to_json(value));
  return list;
}

template <typename T>
Json to_json(const std::map<std::string, T>& dictionary) {
  Json object = Json::object();
  for (const auto& [name, value] : dictionary) object.set(name, to_json(value));
  return object;
}

/// Bus properties as rows name their keys: "BytesTotal" becomes "bytes_total".
Json properties_to_json(const std::map<std::string, sdbus::Variant>& properties);

/// "BytesTotal" → "bytes_total".
std::string snake_case(const std::string& name);

}  // namespace tuneshift
