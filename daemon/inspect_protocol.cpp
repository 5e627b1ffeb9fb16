// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/inspect_protocol.h"

#include <algorithm>
#include <charconv>
#include <climits>
#include <map>
#include <optional>
#include <vector>

namespace tuneshift {

namespace {

constexpr std::string_view first_line = "tuneshift-facts 2";
constexpr std::string_view last_line = "end";
constexpr size_t max_text_bytes = 512;
constexpr size_t max_format_bytes = 64;
constexpr size_t max_path_bytes = 4096;
constexpr size_t max_command_line_bytes = 256;
constexpr size_t max_lines = 32 + max_inspect_descriptors;

struct CodeName {
  ErrorCode code;
  std::string_view name;
};

// What a helper may answer; the rest (timeout, limit_exceeded) is the daemon's to say.
constexpr CodeName code_names[] = {{ErrorCode::not_found, "not_found"},
                                   {ErrorCode::permission, "permission"},
                                   {ErrorCode::io, "io"}};

std::string to_hex(std::string_view raw, size_t max_bytes) {
  constexpr char digits[] = "0123456789abcdef";
  std::string hex;
  for (const char c : raw.substr(0, max_bytes)) {
    const auto byte = static_cast<unsigned char>(c);
    hex += digits[byte >> 4];
    hex += digits[byte & 15];
  }
  return hex;
}

std::optional<unsigned> digit_value(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  return std::nullopt;
}

std::optional<std::string> from_hex(std::string_view hex, size_t max_bytes) {
  if (hex.size() % 2 != 0 || hex.size() / 2 > max_bytes) return std::nullopt;
  std::string raw;
  for (size_t i = 0; i < hex.size(); i += 2) {
    const auto high = digit_value(hex[i]);
    const auto low = digit_value(hex[i + 1]);
    if (!high || !low || (*high == 0 && *low == 0)) return std::nullopt;
    raw += static_cast<char>(*high << 4 | *low);
  }
  return raw;
}

Error malformed(std::string_view what) {
  return {ErrorCode::io, "the inspector's reply is malformed: " + std::string(what), {}, 0};
}

// The lines of one packet, each taken exactly once.
class Fields {
 public:
  // False when the frame is wrong or a key repeats.
  bool split(std::string_view packet) {
    size_t lines = 0;
    bool ended = false;
    while (!packet.empty()) {
      const size_t end = packet.find('\n');
      if (end == std::string_view::npos || ended || ++lines > max_lines) return false;
      const std::string_view line = packet.substr(0, end);
      packet.remove_prefix(end + 1);
      if (lines == 1) {
        if (line != first_line) return false;
        continue;
      }
      ended = line == last_line;
      if (!ended && !add(line)) return false;
    }
    return ended;
  }

  bool number(std::string_view key, uint64_t maximum, uint64_t& value) {
    const auto text = take(key);
    if (!text || text->empty()) return false;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
    return error == std::errc{} && end == text->data() + text->size() && value <= maximum;
  }

  bool text(std::string_view key, size_t max_bytes, std::string& value) {
    const auto hex = take(key);
    if (!hex) return false;
    auto raw = from_hex(*hex, max_bytes);
    if (!raw) return false;
    value = std::move(*raw);
    return true;
  }

  std::optional<std::string_view> take(std::string_view key) {
    const auto found = values_.find(key);
    if (found == values_.end()) return std::nullopt;
    const std::string_view value = found->second;
    values_.erase(found);
    return value;
  }

  [[nodiscard]] bool has(std::string_view key) const { return values_.count(key) > 0; }
  [[nodiscard]] bool empty() const { return values_.empty(); }
  [[nodiscard]] const std::vector<OpenDescriptor>& descriptors() const { return descriptors_; }

 private:
  bool add(std::string_view line) {
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos) return false;
    const std::string_view key = line.substr(0, equals);
    const std::string_view value = line.substr(equals + 1);
    if (key == "buffered" || key == "direct") return add_descriptor(value, key == "direct");
    return values_.emplace(key, value).second;
  }

  bool add_descriptor(std::string_view value, bool direct) {
    int fd = -1;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), fd);
    if (error != std::errc{} || end != value.data() + value.size() || fd < 0) return false;
    if (descriptors_.size() == max_inspect_descriptors) return false;
    descriptors_.push_back({fd, direct});
    return true;
  }

  std::map<std::string_view, std::string_view> values_;
  std::vector<OpenDescriptor> descriptors_;
};

Result<Facts> parse_error(Fields& fields, std::string_view name) {
  Error error;
  const auto* found = std::find_if(std::begin(code_names), std::end(code_names),
                                   [&](const CodeName& known) { return known.name == name; });
  if (found == std::end(code_names)) return malformed("unknown status");
  error.code = found->code;
  uint64_t errno_value = 0;
  if (!fields.text("message", max_text_bytes, error.message) ||
      !fields.text("path", max_path_bytes, error.path) ||
      !fields.number("errno", 4095, errno_value) || !fields.empty() ||
      !fields.descriptors().empty()) {
    return malformed("error");
  }
  error.errno_value = static_cast<int>(errno_value);
  return error;
}

}  // namespace

std::string format_inspect_reply(const Result<Facts>& result) {
  std::string out(first_line);
  const auto line = [&](std::string_view key, std::string_view value) {
    out.append("\n").append(key).append("=").append(value);
  };
  const auto number = [&](std::string_view key, uint64_t value) {
    line(key, std::to_string(value));
  };
  if (!result.ok()) {
    const Error& error = result.error();
    std::string_view name = "io";
    for (const CodeName& known : code_names) {
      if (known.code == error.code) name = known.name;
    }
    line("status", name);
    line("message", to_hex(error.message, max_text_bytes));
    line("path", to_hex(error.path, max_path_bytes));
    number("errno", static_cast<uint64_t>(error.errno_value));
  } else {
    const Facts& facts = result.value();
    line("status", "ok");
    line("format", to_hex(facts.format, max_format_bytes));
    line("role", to_string(facts.role));
    line("detail", to_hex(facts.detail, max_text_bytes));
    line("path", to_hex(facts.path, max_path_bytes));
    number("size", facts.file_size);
    if (facts.resident_bytes) number("resident", *facts.resident_bytes);
    number("mapped", facts.mapped ? 1 : 0);
    line("model", to_hex(facts.model, max_path_bytes));
    number("model_bytes", facts.model_bytes);
    number("shards", facts.shards);
    number("gpu", facts.holds_gpu ? 1 : 0);
    number("uid", facts.uid);
    line("cgroup", to_hex(facts.cgroup, max_path_bytes));
    line("command_line", to_hex(facts.command_line, max_command_line_bytes));
    for (size_t i = 0; i < std::min(facts.descriptors.size(), max_inspect_descriptors); ++i) {
      const OpenDescriptor& descriptor = facts.descriptors[i];
      line(descriptor.direct ? "direct" : "buffered", std::to_string(descriptor.fd));
    }
  }
  return out.append("\n").append(last_line).append("\n");
}

Result<Facts> parse_inspect_reply(std::string_view packet) {
  if (packet.size() > max_inspect_reply_bytes) return malformed("too long");
  Fields fields;
  if (!fields.split(packet)) return malformed("frame");
  const auto status = fields.take("status");
  if (!status) return malformed("no status");
  if (*status != "ok") return parse_error(fields, *status);

  Facts facts;
  uint64_t mapped = 0;
  uint64_t gpu = 0;
  uint64_t uid = 0;
  uint64_t shards = 0;
  const auto role = fields.take("role");
  if (!role || !parse_format_role(*role, facts.role)) return malformed("role");
  if (!fields.text("format", max_format_bytes, facts.format) ||
      !fields.text("detail", max_text_bytes, facts.detail) ||
      !fields.text("path", max_path_bytes, facts.path) ||
      !fields.number("size", INT64_MAX, facts.file_size) || !fields.number("mapped", 1, mapped) ||
      !fields.text("model", max_path_bytes, facts.model) ||
      !fields.number("model_bytes", INT64_MAX, facts.model_bytes) ||
      !fields.number("shards", UINT32_MAX, shards) || !fields.number("gpu", 1, gpu) ||
      !fields.number("uid", UINT32_MAX, uid) ||
      !fields.text("cgroup", max_path_bytes, facts.cgroup) ||
      !fields.text("command_line", max_command_line_bytes, facts.command_line)) {
    return malformed("facts");
  }
  if (fields.has("resident")) {
    uint64_t resident = 0;
    if (!fields.number("resident", facts.file_size, resident)) return malformed("resident bytes");
    facts.resident_bytes = resident;
  }
  if (!fields.empty()) return malformed("unknown key");
  facts.mapped = mapped == 1;
  facts.holds_gpu = gpu == 1;
  facts.uid = static_cast<uint32_t>(uid);
  facts.shards = static_cast<uint32_t>(shards);
  facts.descriptors = fields.descriptors();
  return facts;
}

}  // namespace tuneshift
