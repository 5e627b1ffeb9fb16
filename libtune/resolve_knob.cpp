// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>

#include "libtune/catalogue.h"
#include "libtune/device_name.h"
#include "libtune/escape.h"

namespace tuneshift {

namespace {

constexpr size_t kLongestName = 256;

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (text.substr(0, prefix.size()) != prefix) return false;
  text.remove_prefix(prefix.size());
  return true;
}

/// The part before the first slash; `text` keeps what follows it.
std::string_view take_part(std::string_view& text) {
  const size_t slash = text.find('/');
  const std::string_view part = text.substr(0, slash);
  text.remove_prefix(slash == std::string_view::npos ? text.size() : slash + 1);
  return part;
}

/// A file's own path is an alias of its knob.
std::string_view without_mount(std::string_view name) {
  std::string_view path = name;
  if (!path.empty() && path.front() == '/') path.remove_prefix(1);
  if (take_prefix(path, "proc/sys/")) return path;
  if (take_prefix(path, "sys/class/") || take_prefix(path, "sys/kernel/mm/")) return path;
  if (take_prefix(path, "sys/")) return path;
  return name;
}

Knob block_knob(const std::string& disk, const KnobInfo* kind) {
  const std::string rest = disk + "/" + std::string(kind->name);
  return {"block/" + rest, "sys/block/" + rest, kind};
}

Result<Knob> find_block(const KernelFs& kernel, std::string_view device, std::string_view rest) {
  if (rest == "bdi/read_ahead_kb") rest = "queue/read_ahead_kb";
  const KnobInfo* kind = find_kind(Family::block, rest);
  if (kind != nullptr && is_device_name(device)) {
    return block_knob(disk_of(kernel, std::string(device)), kind);
  }
  return Error{};
}

Result<Knob> find_bdi(const KernelFs& kernel, std::string_view device, std::string_view rest) {
  const KnobInfo* kind = find_kind(Family::bdi, rest);
  const auto number = parse_device_number(device);
  if (kind == nullptr || !number) return Error{};
  if (number->major_number != 0) {
    const KnobInfo* of_queue = find_kind(Family::block, "queue/" + std::string(rest));
    const auto disk = disk_of(kernel, *number);
    if (of_queue != nullptr && disk) return block_knob(disk.value(), of_queue);
  }
  const std::string file = "bdi/" + to_string(*number) + "/" + std::string(kind->name);
  return Knob{file, "sys/class/" + file, kind};
}

Result<Knob> find_sysctl(std::string_view name) {
  std::string dotted(name);
  std::replace(dotted.begin(), dotted.end(), '/', '.');
  const KnobInfo* kind = find_kind(Family::sysctl, dotted);
  if (kind == nullptr) return Error{};
  std::string path = dotted;
  std::replace(path.begin(), path.end(), '.', '/');
  return Knob{dotted, "proc/sys/" + path, kind};
}

Result<Knob> find_any(const KernelFs& kernel, std::string_view name) {
  std::string_view rest = without_mount(name);
  if (take_prefix(rest, "block/")) {
    const std::string_view device = take_part(rest);
    return find_block(kernel, device, rest);
  }
  if (take_prefix(rest, "bdi/")) {
    const std::string_view device = take_part(rest);
    return find_bdi(kernel, device, rest);
  }
  if (take_prefix(rest, "thp/") || take_prefix(rest, "transparent_hugepage/")) {
    const KnobInfo* kind = find_kind(Family::thp, rest);
    if (kind == nullptr) return Error{};
    return Knob{"thp/" + std::string(rest),
                "sys/kernel/mm/transparent_hugepage/" + std::string(rest), kind};
  }
  return find_sysctl(rest);
}

}  // namespace

std::string knob_name(const KnobInfo& kind, std::string_view device) {
  std::string name(kind.name);
  switch (kind.family) {
    case Family::sysctl:
      return name;
    case Family::thp:
      return "thp/" + name;
    case Family::block:
      return "block/" + std::string(device) + "/" + name;
    case Family::bdi:
      break;
  }
  return "bdi/" + std::string(device) + "/" + name;
}

Result<Knob> resolve_knob(const KernelFs& kernel, std::string_view name) {
  if (name.size() <= kLongestName) {
    auto knob = find_any(kernel, name);
    if (knob) return knob;
  }
  return Error{ErrorCode::not_found, "no knob '" + escape(name, kLongestName) + "'", {}, 0};
}

}  // namespace tuneshift
