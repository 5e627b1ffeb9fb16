// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/trace_text.h"

#include <algorithm>

namespace tuneshift {

namespace {

bool is_plain(char c) {
  return c > ' ' && c < '\x7f' && c != '%' && c != ',';
}

std::string dashed(std::string name) {
  std::replace(name.begin(), name.end(), ' ', '-');
  return name;
}

const char* name_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
      return "invalid-argument";
    case ErrorCode::not_found:
      return "not-found";
    case ErrorCode::permission:
      return "permission";
    case ErrorCode::busy:
      return "busy";
    case ErrorCode::limit_exceeded:
      return "limit-exceeded";
    case ErrorCode::timeout:
      return "timeout";
    case ErrorCode::unsupported:
      return "unsupported";
    case ErrorCode::io:
      break;
  }
  return "io";
}

/// The enumerators of every enumeration here count from 0 and are fewer than this.
constexpr int most_enumerators = 64;

template <typename Enumeration>
bool find_enumerator(std::string_view text, Enumeration& value) {
  for (int i = 0; i < most_enumerators; ++i) {
    const auto candidate = static_cast<Enumeration>(i);
    if (to_trace_text(candidate) != text) continue;
    value = candidate;
    return true;
  }
  return false;
}

/// Takes a number that `end` follows.
template <std::integral Number>
bool take(std::string_view& text, Number& number, char end) {
  const size_t length = text.find(end);
  if (length == std::string_view::npos) return false;
  if (!from_trace_text(text.substr(0, length), number)) return false;
  text.remove_prefix(length + 1);
  return true;
}

}  // namespace

std::string to_trace_text(std::string_view raw) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  text.reserve(raw.size());
  for (const char c : raw) {
    if (is_plain(c)) {
      text += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    text += '%';
    text += digits[byte >> 4];
    text += digits[byte & 0xf];
  }
  return text;
}

bool from_trace_text(std::string_view text, std::string& raw) {
  raw.clear();
  for (size_t i = 0; i < text.size(); ++i) {
    if (is_plain(text[i])) {
      raw += text[i];
      continue;
    }
    unsigned char byte = 0;
    if (text[i] != '%' || i + 2 >= text.size()) return false;
    const char* end = text.data() + i + 3;
    if (std::from_chars(text.data() + i + 1, end, byte, 16).ptr != end) return false;
    raw += static_cast<char>(byte);
    i += 2;
  }
  return true;
}

std::string to_trace_text(bool value) {
  return value ? "1" : "0";
}

bool from_trace_text(std::string_view text, bool& value) {
  value = text == "1";
  return value || text == "0";
}

std::string to_trace_text(const ProcessId& process) {
  return std::to_string(process.pid) + '.' + std::to_string(process.start_ns);
}

bool from_trace_text(std::string_view text, ProcessId& process) {
  return take(text, process.pid, '.') && process.pid > 0 && from_trace_text(text, process.start_ns);
}

std::string to_trace_text(const Reader& reader) {
  const FileId& file = reader.file;
  return to_trace_text(reader.process) + '@' + std::to_string(file.device_major) + ':' +
         std::to_string(file.device_minor) + ':' + std::to_string(file.inode);
}

bool from_trace_text(std::string_view text, Reader& reader) {
  const size_t at = text.find('@');
  if (at == std::string_view::npos) return false;
  if (!from_trace_text(text.substr(0, at), reader.process)) return false;
  text.remove_prefix(at + 1);
  return take(text, reader.file.device_major, ':') && take(text, reader.file.device_minor, ':') &&
         from_trace_text(text, reader.file.inode);
}

std::string to_trace_text(const OpenDescriptor& descriptor) {
  return std::to_string(descriptor.fd) + (descriptor.direct ? "d" : "");
}

bool from_trace_text(std::string_view text, OpenDescriptor& descriptor) {
  descriptor.direct = text.ends_with('d');
  if (descriptor.direct) text.remove_suffix(1);
  return from_trace_text(text, descriptor.fd);
}

std::string to_trace_text(Evidence evidence) {
  return dashed(to_string(evidence));
}

bool from_trace_text(std::string_view text, Evidence& evidence) {
  return find_enumerator(text, evidence);
}

std::string to_trace_text(LoadChangeKind kind) {
  return dashed(to_string(kind));
}

bool from_trace_text(std::string_view text, LoadChangeKind& kind) {
  return find_enumerator(text, kind);
}

std::string to_trace_text(ErrorCode code) {
  return name_of(code);
}

bool from_trace_text(std::string_view text, ErrorCode& code) {
  return find_enumerator(text, code);
}

std::string to_trace_text(Mode mode) {
  return to_string(mode);
}

bool from_trace_text(std::string_view text, Mode& mode) {
  return parse_mode(std::string(text), mode);
}

std::string to_trace_text(FormatRole role) {
  return to_string(role);
}

bool from_trace_text(std::string_view text, FormatRole& role) {
  return parse_format_role(text, role);
}

std::string to_trace_text(ProcessRole role) {
  return to_string(role);
}

bool from_trace_text(std::string_view text, ProcessRole& role) {
  return parse_process_role(text, role);
}

std::string to_trace_text(TraceLabel::Is is) {
  return to_string(is);
}

bool from_trace_text(std::string_view text, TraceLabel::Is& is) {
  return find_enumerator(text, is);
}

}  // namespace tuneshift
