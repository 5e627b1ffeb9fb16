// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/device_name.h"

#include <algorithm>
#include <charconv>

namespace tuneshift {

namespace {

std::optional<uint32_t> parse_part(std::string_view text) {
  uint32_t number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || rest != end) return std::nullopt;
  return number;
}

/// The last part of a path; what is left of it stays in `path`.
std::string_view take_last(std::string_view& path) {
  const size_t slash = path.rfind('/');
  const std::string_view last = path.substr(slash + 1);
  path = slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
  return last;
}

/// The disk at the end of a link to a block device: ".../block/vda" or ".../block/vda/vda1".
Result<std::string> disk_at(const KernelFs& kernel, const std::string& link) {
  const auto target = kernel.read_link(link);
  if (!target) return target.error();
  std::string_view rest = target.value();
  const std::string_view own = take_last(rest);
  const std::string_view parent = take_last(rest);
  const std::string_view disk = kernel.exists(link + "/partition") ? parent : own;
  if (!is_device_name(disk)) {
    return Error{ErrorCode::not_found, link + " leads to no block device", link, 0};
  }
  return std::string(disk);
}

}  // namespace

std::optional<DeviceNumber> parse_device_number(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto major_number = parse_part(text.substr(0, colon));
  const auto minor_number = parse_part(text.substr(colon + 1));
  if (!major_number || !minor_number) return std::nullopt;
  return DeviceNumber{*major_number, *minor_number};
}

std::string to_string(DeviceNumber number) {
  return std::to_string(number.major_number) + ":" + std::to_string(number.minor_number);
}

bool is_device_name(std::string_view name) {
  constexpr size_t kLongestName = 31;  // DISK_NAME_LEN
  if (name.empty() || name.size() > kLongestName || name.front() == '.') return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("._-!+@").find(c) != std::string_view::npos;
  });
}

std::string last_part(std::string_view path) {
  return std::string(path.substr(path.rfind('/') + 1));
}

std::string disk_of(const KernelFs& kernel, const std::string& name) {
  auto disk = disk_at(kernel, "sys/class/block/" + name);
  return disk ? std::move(disk).value() : name;
}

Result<std::string> disk_of(const KernelFs& kernel, DeviceNumber number) {
  return disk_at(kernel, "sys/dev/block/" + to_string(number));
}

}  // namespace tuneshift
