// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace tuneshift {

/// A JSON value: what the daemon answered, in the form in which --json prints it and the tables
/// read it. Members keep the order in which they were set. Reading never fails: what is missing or
/// of another type reads as null, "", 0 or empty, because rows may lack keys and grow new ones.
class Json {
 public:
  using Items = std::vector<Json>;
  using Members = std::vector<std::pair<std::string, Json>>;

  Json() = default;
  Json(bool value) : value_(value) {}                         // NOLINT: implicit by intent
  Json(double value) : value_(value) {}                       // NOLINT: implicit by intent
  Json(std::string value) : value_(std::move(value)) {}       // NOLINT: implicit by intent
  Json(std::string_view value) : Json(std::string(value)) {}  // NOLINT: implicit by intent
  Json(const char* value) : Json(std::string(value)) {}       // NOLINT: implicit by intent
  template <std::unsigned_integral T>
  Json(T value) : value_(static_cast<uint64_t>(value)) {}  // NOLINT: implicit by intent
  template <std::signed_integral T>
  Json(T value) : value_(static_cast<int64_t>(value)) {}  // NOLINT: implicit by intent

  static Json array() { return Json(Value(Items())); }
  static Json object() { return Json(Value(Members())); }

  /// Adds to an array; null becomes one first.
  Json& append(Json item);
  /// Sets a member of an object, replacing one of that name; null becomes an object first.
  Json& set(std::string_view name, Json value);
  /// Sets all members of `other` in this object.
  Json& merge(const Json& other);

  [[nodiscard]] const Json& operator[](std::string_view name) const;
  [[nodiscard]] bool has(std::string_view name) const;
  [[nodiscard]] const Items& items() const;
  [[nodiscard]] const Members& members() const;
  [[nodiscard]] size_t size() const { return items().size(); }

  /// The text of a string, the digits of a number, "yes" or "no", the items of an array separated
  /// by commas.
  [[nodiscard]] std::string text() const;
  /// A number that is not negative, else 0.
  [[nodiscard]] uint64_t number() const;
  [[nodiscard]] bool truth() const;

  /// Everything on one line.
  [[nodiscard]] std::string line() const;
  /// Indented by two spaces; ends without a newline.
  [[nodiscard]] std::string document() const;

 private:
  using Value =
      std::variant<std::monostate, bool, int64_t, uint64_t, double, std::string, Items, Members>;
  explicit Json(Value value) : value_(std::move(value)) {}
  void write(std::string& out, int indent) const;
  Value value_;
};

}  // namespace tuneshift
