// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>

#include "libtune/catalogue.h"
#include "libtune/device_name.h"
#include "libtune/escape.h"

namespace tuneshift {

namespace {

constexpr size_t kLongestName = 384;
constexpr std::string_view kMigrationThreshold = "dm/migration_threshold";

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

bool is_number(std::string_view text) {
  return !text.empty() && text.size() <= 10 &&
         text.find_first_not_of("0123456789") == std::string_view::npos;
}

bool is_numbered(std::string_view text, std::string_view prefix) {
  return take_prefix(text, prefix) && is_number(text);
}

/// A file's own path is an alias of its knob: as the part of a name that it stands for.
struct Alias {
  std::string_view path;
  std::string_view name;
};

constexpr Alias kAliases[] = {
    {"proc/sys/", ""},
    {"sys/class/bdi/", "bdi/"},
    {"sys/block/", "block/"},
    {"sys/fs/fuse/connections/", "fuse/"},
    {"sys/kernel/mm/transparent_hugepage/", "thp/"},
    {"sys/kernel/mm/lru_gen/", "lru_gen/"},
    {"sys/kernel/debug/", "debugfs/"},
    {"sys/devices/system/cpu/cpufreq/policy", "cpu/policy"},
    {"sys/devices/system/cpu/", "cpu/"},
    {"dev/", "pm_qos/"},
    {"transparent_hugepage/", "thp/"},
};

std::string without_mount(std::string_view name) {
  std::string_view path = name;
  take_prefix(path, "/");
  for (const Alias& alias : kAliases) {
    if (take_prefix(path, alias.path)) return std::string(alias.name) + std::string(path);
  }
  return std::string(name);
}

Result<Knob> no_knob() {
  return Error{};
}

Knob block_knob(const std::string& disk, const KnobInfo* kind) {
  const std::string rest = disk + "/" + std::string(kind->name);
  if (kind->name != kMigrationThreshold) return {"block/" + rest, "sys/block/" + rest, kind};
  // A message to the target, not a file: the daemon answers for it.
  return {"block/" + rest, "device-mapper/" + disk + "/migration_threshold", kind};
}

Result<Knob> find_block(const KernelFs& kernel, std::string_view rest) {
  const std::string_view device = take_part(rest);
  if (rest == "bdi/read_ahead_kb") rest = "queue/read_ahead_kb";
  const KnobInfo* kind = find_kind(Family::block, rest);
  if (kind == nullptr || !is_device_name(device)) return no_knob();
  return block_knob(disk_of(kernel, std::string(device)), kind);
}

Result<Knob> find_bdi(const KernelFs& kernel, std::string_view rest) {
  const std::string_view device = take_part(rest);
  const KnobInfo* kind = find_kind(Family::bdi, rest);
  const auto number = parse_device_number(device);
  if (kind == nullptr || (!number && !is_numbered(device, "btrfs-"))) return no_knob();
  if (number && number->major_number != 0) {
    const KnobInfo* of_queue = find_kind(Family::block, "queue/" + std::string(rest));
    const auto disk = disk_of(kernel, *number);
    if (of_queue != nullptr && disk) return block_knob(disk.value(), of_queue);
  }
  const std::string file =
      "bdi/" + (number ? to_string(*number) : std::string(device)) + "/" + std::string(kind->name);
  return Knob{file, "sys/class/" + file, kind};
}

Result<Knob> find_fuse(std::string_view rest) {
  const std::string_view connection = take_part(rest);
  const KnobInfo* kind = find_kind(Family::fuse, rest);
  if (kind == nullptr || !is_number(connection)) return no_knob();
  const std::string file = std::string(connection) + "/" + std::string(rest);
  return Knob{"fuse/" + file, "sys/fs/fuse/connections/" + file, kind};
}

/// "policy4" for "cpu5", whose clock it is.
std::string policy_of(const KernelFs& kernel, std::string_view cpu) {
  const auto link = kernel.read_link("sys/devices/system/cpu/" + std::string(cpu) + "/cpufreq");
  if (!link) return {};
  return last_part(link.value());
}

Result<Knob> find_cpu(const KernelFs& kernel, std::string_view rest) {
  constexpr std::string_view kDirectory = "sys/devices/system/cpu/";
  const KnobInfo* kind = find_kind(Family::cpu, rest);
  if (kind != nullptr && kind->target == Target::machine) {
    return Knob{"cpu/" + std::string(rest), std::string(kDirectory) + std::string(rest), kind};
  }
  std::string policy(take_part(rest));
  if (is_numbered(policy, "cpu") && take_prefix(rest, "cpufreq/")) {
    policy = policy_of(kernel, policy);
  }
  kind = find_kind(Family::cpu, rest);
  if (kind == nullptr || kind->target != Target::cpu_policy || !is_numbered(policy, "policy")) {
    return no_knob();
  }
  const std::string file = policy + "/" + std::string(rest);
  return Knob{"cpu/" + file, std::string(kDirectory) + "cpufreq/" + file, kind};
}

Result<Knob> find_unit(std::string_view rest) {
  const std::string_view unit = take_part(rest);
  const std::string_view name = take_part(rest);
  const KnobInfo* kind = find_kind(Family::cgroup, name);
  if (kind == nullptr || !is_unit_name(unit)) return no_knob();
  const bool per_disk = kind->target == Target::unit_disk;
  if (per_disk ? !is_device_name(rest) : !rest.empty()) return no_knob();
  const std::string end = per_disk ? "/" + std::string(rest) : std::string();
  return Knob{"cgroup/" + std::string(unit) + "/" + std::string(name) + end,
              "systemd/" + std::string(unit) + "/" + std::string(kind->property) + end, kind};
}

Result<Knob> find_machine_wide(Family family, std::string_view rest, std::string_view directory) {
  const KnobInfo* kind = find_kind(family, rest);
  if (kind == nullptr) return no_knob();
  return Knob{std::string(to_string(family)) + "/" + std::string(rest),
              std::string(directory) + std::string(rest), kind};
}

Result<Knob> find_sysctl(std::string_view name) {
  std::string dotted(name);
  std::replace(dotted.begin(), dotted.end(), '/', '.');
  const KnobInfo* kind = find_kind(Family::sysctl, dotted);
  if (kind == nullptr) return no_knob();
  std::string path = dotted;
  std::replace(path.begin(), path.end(), '.', '/');
  return Knob{dotted, "proc/sys/" + path, kind};
}

Result<Knob> find_any(const KernelFs& kernel, const std::string& name) {
  std::string_view rest = name;
  const auto family =
      name.find('/') == std::string::npos ? std::optional<Family>() : parse_family(take_part(rest));
  if (!family) return find_sysctl(name);
  switch (*family) {
    case Family::sysctl:
      break;
    case Family::block:
      return find_block(kernel, rest);
    case Family::bdi:
      return find_bdi(kernel, rest);
    case Family::fuse:
      return find_fuse(rest);
    case Family::thp:
      return find_machine_wide(*family, rest, "sys/kernel/mm/transparent_hugepage/");
    case Family::cpu:
      return find_cpu(kernel, rest);
    case Family::pm_qos:
      return find_machine_wide(*family, rest, "dev/");
    case Family::cgroup:
      return find_unit(rest);
    case Family::lru_gen:
      return find_machine_wide(*family, rest, "sys/kernel/mm/lru_gen/");
    case Family::debugfs:
      return find_machine_wide(*family, rest, "sys/kernel/debug/");
  }
  return no_knob();
}

}  // namespace

bool is_unit_name(std::string_view name) {
  constexpr size_t kLongest = 255;  // UNIT_NAME_MAX
  constexpr std::string_view kSuffixes[] = {".service", ".slice", ".scope"};
  const bool good = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view(":_.\\@-").find(c) != std::string_view::npos;
  });
  if (!good || name.size() > kLongest) return false;
  return std::any_of(std::begin(kSuffixes), std::end(kSuffixes), [&](std::string_view suffix) {
    return name.size() > suffix.size() && name.ends_with(suffix);
  });
}

std::string knob_name(const KnobInfo& kind, const KnobPlace& place) {
  const std::string name(kind.name);
  const std::string family = to_string(kind.family);
  switch (kind.target) {
    case Target::machine:
      return kind.family == Family::sysctl ? name : family + "/" + name;
    case Target::unit:
      return family + "/" + place.unit + "/" + name;
    case Target::unit_disk:
      return family + "/" + place.unit + "/" + name + "/" + place.device;
    default:
      return family + "/" + place.device + "/" + name;
  }
}

Result<Knob> resolve_knob(const KernelFs& kernel, std::string_view name) {
  if (name.size() <= kLongestName) {
    auto knob = find_any(kernel, without_mount(name));
    if (knob) return knob;
  }
  return Error{ErrorCode::not_found, "no knob '" + escape(name, kLongestName) + "'", {}, 0};
}

}  // namespace tuneshift
