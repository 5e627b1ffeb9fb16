// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/json.h"

#include <array>
#include <charconv>
#include <cmath>

#include "client/utf8.h"

namespace tuneshift {

namespace {

constexpr int kOneLine = -1;

void write_string(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  while (!text.empty()) {
    const size_t length = utf8_length(text);
    const std::string_view character = text.substr(0, length == 0 ? 1 : length);
    const auto byte = static_cast<unsigned char>(character.front());
    if (length == 0) {
      out += "\uFFFD";
    } else if (byte == '"' || byte == '\\') {
      out += '\\';
      out += character;
    } else if (byte == '\n') {
      out += "\\n";
    } else if (byte == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += "\\u00";
      out += kHex[byte >> 4U];
      out += kHex[byte & 0xfU];
    } else {
      out += character;
    }
    text.remove_prefix(character.size());
  }
  out += '"';
}

template <typename Number>
std::string digits(Number number) {
  std::array<char, 64> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number).ptr;
  return {buffer.data(), end};
}

void start_line(std::string& out, int indent) {
  if (indent == kOneLine) return;
  out += '\n';
  out.append(static_cast<size_t>(indent) * 2, ' ');
}

}  // namespace

Json& Json::append(Json item) {
  if (!std::holds_alternative<Items>(value_)) value_ = Items();
  std::get<Items>(value_).push_back(std::move(item));
  return *this;
}

Json& Json::set(std::string_view name, Json value) {
  if (!std::holds_alternative<Members>(value_)) value_ = Members();
  auto& members = std::get<Members>(value_);
  for (auto& [key, old] : members) {
    if (key != name) continue;
    old = std::move(value);
    return *this;
  }
  members.emplace_back(name, std::move(value));
  return *this;
}

Json& Json::merge(const Json& other) {
  for (const auto& [name, value] : other.members()) set(name, value);
  return *this;
}

const Json& Json::operator[](std::string_view name) const {
  static const Json kNull;
  for (const auto& [key, value] : members()) {
    if (key == name) return value;
  }
  return kNull;
}

bool Json::has(std::string_view name) const {
  return !std::holds_alternative<std::monostate>((*this)[name].value_);
}

const Json::Items& Json::items() const {
  static const Items kNone;
  const auto* items = std::get_if<Items>(&value_);
  return items != nullptr ? *items : kNone;
}

const Json::Members& Json::members() const {
  static const Members kNone;
  const auto* members = std::get_if<Members>(&value_);
  return members != nullptr ? *members : kNone;
}

std::string Json::text() const {
  if (const auto* text = std::get_if<std::string>(&value_)) return *text;
  if (const auto* number = std::get_if<uint64_t>(&value_)) return digits(*number);
  if (const auto* number = std::get_if<int64_t>(&value_)) return digits(*number);
  if (const auto* number = std::get_if<double>(&value_)) return digits(*number);
  if (const auto* truth = std::get_if<bool>(&value_)) return *truth ? "yes" : "no";
  std::string joined;
  for (const auto& item : items()) {
    if (!joined.empty()) joined += ", ";
    joined += item.text();
  }
  return joined;
}

uint64_t Json::number() const {
  if (const auto* number = std::get_if<uint64_t>(&value_)) return *number;
  const auto* number = std::get_if<int64_t>(&value_);
  return number != nullptr && *number > 0 ? static_cast<uint64_t>(*number) : 0;
}

bool Json::truth() const {
  const auto* truth = std::get_if<bool>(&value_);
  return truth != nullptr && *truth;
}

std::string Json::line() const {
  std::string out;
  write(out, kOneLine);
  return out;
}

std::string Json::document() const {
  std::string out;
  write(out, 0);
  return out;
}

void Json::write(std::string& out, int indent) const {
  const int inner = indent == kOneLine ? kOneLine : indent + 1;
  if (const auto* text = std::get_if<std::string>(&value_)) {
    write_string(out, *text);
  } else if (const auto* truth = std::get_if<bool>(&value_)) {
    out += *truth ? "true" : "false";
  } else if (const auto* real = std::get_if<double>(&value_); real && !std::isfinite(*real)) {
    out += "null";  // JSON has no infinity
  } else if (std::holds_alternative<std::monostate>(value_)) {
    out += "null";
  } else if (const auto* list = std::get_if<Items>(&value_)) {
    out += '[';
    for (const auto& item : *list) {
      if (&item != &list->front()) out += ',';
      start_line(out, inner);
      item.write(out, inner);
    }
    if (!list->empty()) start_line(out, indent);
    out += ']';
  } else if (const auto* members = std::get_if<Members>(&value_)) {
    out += '{';
    for (const auto& [name, value] : *members) {
      if (&name != &members->front().first) out += ',';
      start_line(out, inner);
      write_string(out, name);
      out += indent == kOneLine ? ":" : ": ";
      value.write(out, inner);
    }
    if (!members->empty()) start_line(out, indent);
    out += '}';
  } else {
    out += this->text();  // a number
  }
}

}  // namespace tuneshift
