// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/inspect_request.h"

#include <cstring>
#include <type_traits>

namespace tuneshift {

namespace {

template <typename Number>
void put(std::string& out, Number number) {
  static_assert(std::is_integral_v<Number>);
  out.append(reinterpret_cast<const char*>(&number), sizeof number);
}

void put(std::string& out, const std::string& text) {
  put(out, static_cast<uint32_t>(text.size()));
  out += text;
}

void put(std::string& out, const std::vector<std::string>& texts) {
  put(out, static_cast<uint32_t>(texts.size()));
  for (const std::string& text : texts) put(out, text);
}

/// Takes what put() has put, until something is missing.
class Fields {
 public:
  explicit Fields(std::string_view rest) : rest_(rest) {}

  template <typename Number>
  bool take(Number& number) {
    if (rest_.size() < sizeof number) return false;
    std::memcpy(&number, rest_.data(), sizeof number);
    rest_.remove_prefix(sizeof number);
    return true;
  }

  bool take(std::string& text) {
    uint32_t size = 0;
    if (!take(size) || rest_.size() < size) return false;
    text = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return true;
  }

  bool take(std::vector<std::string>& texts) {
    uint32_t count = 0;
    if (!take(count)) return false;
    for (uint32_t i = 0; i < count; ++i) {
      std::string text;
      if (!take(text)) return false;
      texts.push_back(std::move(text));
    }
    return true;
  }

  bool take(std::vector<Magic>& all) {
    uint32_t count = 0;
    if (!take(count)) return false;
    for (uint32_t i = 0; i < count; ++i) {
      Magic magic;
      if (!take(magic.offset) || !take(magic.bytes)) return false;
      all.push_back(std::move(magic));
    }
    return true;
  }

  [[nodiscard]] bool empty() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

bool take_rule(Fields& fields, FormatRule& rule) {
  uint8_t role = 0;
  uint8_t check = 0;
  if (!fields.take(rule.name) || !fields.take(role) || !fields.take(check) ||
      !fields.take(rule.least_bytes) || !fields.take(rule.magic) || !fields.take(rule.files) ||
      !fields.take(rule.beside)) {
    return false;
  }
  if (role > static_cast<uint8_t>(FormatRole::data) || check >= format_checks().size()) {
    return false;
  }
  rule.role = static_cast<FormatRole>(role);
  rule.check = static_cast<FormatCheck>(check);
  return true;
}

Error malformed() {
  return {ErrorCode::invalid_argument, "the request is malformed", {}, 0};
}

}  // namespace

std::string encode_format_rules(const FormatRules& rules) {
  std::string out;
  for (const FormatRule& rule : rules) {
    put(out, rule.name);
    put(out, static_cast<uint8_t>(rule.role));
    put(out, static_cast<uint8_t>(rule.check));
    put(out, rule.least_bytes);
    put(out, static_cast<uint32_t>(rule.magic.size()));
    for (const Magic& magic : rule.magic) {
      put(out, magic.offset);
      put(out, magic.bytes);
    }
    put(out, rule.files);
    put(out, rule.beside);
  }
  return out;
}

std::string format_inquiry(const InspectRequest& request, std::string_view encoded_rules) {
  std::string packet(reinterpret_cast<const char*>(&request), sizeof request);
  return packet.append(encoded_rules);
}

Result<Inquiry> parse_inquiry(std::string_view packet) {
  Inquiry inquiry;
  if (packet.size() < sizeof inquiry.request || packet.size() > max_inspect_request_bytes) {
    return malformed();
  }
  std::memcpy(&inquiry.request, packet.data(), sizeof inquiry.request);
  if (inquiry.request.version != inspect_request_version) return malformed();
  Fields fields(packet.substr(sizeof inquiry.request));
  while (!fields.empty()) {
    if (!take_rule(fields, inquiry.rules.emplace_back())) return malformed();
  }
  return inquiry;
}

}  // namespace tuneshift
