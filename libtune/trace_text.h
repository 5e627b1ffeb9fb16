// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libtune/trace.h"

namespace tuneshift {

// How the values of a trace are written. Every parse takes the whole text or fails.

/// Bytes that would end a value or tear a line become %XX.
std::string to_trace_text(std::string_view raw);
bool from_trace_text(std::string_view text, std::string& raw);

inline std::string to_trace_text(const std::string& raw) {
  return to_trace_text(std::string_view(raw));
}

std::string to_trace_text(bool value);
bool from_trace_text(std::string_view text, bool& value);

template <std::integral Number>
std::string to_trace_text(Number number) {
  return std::to_string(number);
}

template <std::integral Number>
bool from_trace_text(std::string_view text, Number& number) {
  const char* end = text.data() + text.size();
  const auto [stop, failed] = std::from_chars(text.data(), end, number);
  return failed == std::errc() && stop == end;
}

/// "812.99120": pid and start_ns.
std::string to_trace_text(const ProcessId& process);
bool from_trace_text(std::string_view text, ProcessId& process);

/// "812.99120@254:1:5308417": process, device and inode.
std::string to_trace_text(const Reader& reader);
bool from_trace_text(std::string_view text, Reader& reader);

/// "5", or "5d" with O_DIRECT.
std::string to_trace_text(const OpenDescriptor& descriptor);
bool from_trace_text(std::string_view text, OpenDescriptor& descriptor);

std::string to_trace_text(Evidence evidence);
bool from_trace_text(std::string_view text, Evidence& evidence);
std::string to_trace_text(LoadChangeKind kind);
bool from_trace_text(std::string_view text, LoadChangeKind& kind);
std::string to_trace_text(ErrorCode code);
bool from_trace_text(std::string_view text, ErrorCode& code);
std::string to_trace_text(Mode mode);
bool from_trace_text(std::string_view text, Mode& mode);
std::string to_trace_text(FormatRole role);
bool from_trace_text(std::string_view text, FormatRole& role);
std::string to_trace_text(ProcessRole role);
bool from_trace_text(std::string_view text, ProcessRole& role);
std::string to_trace_text(TraceLabel::Is is);
bool from_trace_text(std::string_view text, TraceLabel::Is& is);

template <typename T>
std::string to_trace_text(const std::vector<T>& items) {
  std::string text;
  for (const T& item : items) {
    if (!text.empty()) text += ',';
    text += to_trace_text(item);
  }
  return text;
}

template <typename T>
bool from_trace_text(std::string_view text, std::vector<T>& items) {
  while (!text.empty()) {
    const size_t end = std::min(text.find(','), text.size());
    if (items.size() >= most_trace_items) return false;
    if (!from_trace_text(text.substr(0, end), items.emplace_back())) return false;
    if (end + 1 == text.size()) return false;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return true;
}

template <typename T>
bool from_trace_text(std::string_view text, std::optional<T>& value) {
  return from_trace_text(text, value.emplace());
}

}  // namespace tuneshift
