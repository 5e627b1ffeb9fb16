// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/mount_table.h"

#include <algorithm>
#include <optional>

namespace tuneshift {

namespace {

constexpr size_t kMostBytes = size_t{4} << 20;

std::string_view take_word(std::string_view& line) {
  const std::string_view word = line.substr(0, line.find(' '));
  line.remove_prefix(std::min(word.size() + 1, line.size()));
  return word;
}

bool is_octal(char c) {
  return c >= '0' && c <= '7';
}

/// "\040" is a blank: seq_file's mangle_path() writes blanks, tabs, newlines and '\' so.
std::string unescaped(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && is_octal(text[i + 1]) && is_octal(text[i + 2]) &&
        is_octal(text[i + 3])) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                 (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

/// "36 35 98:0 /root /point options optional… - type source super-options"
std::optional<Mount> parse_line(std::string_view line) {
  take_word(line);
  take_word(line);
  const auto device = parse_device_number(take_word(line));
  take_word(line);
  const std::string_view point = take_word(line);
  constexpr std::string_view kSeparator = " - ";
  const size_t separator = line.find(kSeparator);
  if (!device || separator == std::string_view::npos) return std::nullopt;
  line.remove_prefix(separator + kSeparator.size());
  Mount mount;
  mount.device = *device;
  mount.mount_point = unescaped(point);
  mount.type = take_word(line);
  mount.source = unescaped(take_word(line));
  mount.options = line;
  return mount;
}

}  // namespace

std::vector<Mount> read_mounts(const KernelFs& kernel, std::string_view process) {
  std::vector<Mount> mounts;
  const auto text = kernel.read_head("proc/" + std::string(process) + "/mountinfo", kMostBytes);
  if (!text) return mounts;
  std::string_view rest = text.value();
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (auto mount = parse_line(line)) mounts.push_back(std::move(*mount));
  }
  return mounts;
}

std::vector<Mount> read_host_mounts(const KernelFs& kernel) {
  return read_mounts(kernel, "1");
}

}  // namespace tuneshift
