// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/tuned_knobs.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "libtune/knob_text.h"
#include "libtune/trusted_file.h"

namespace tuneshift {

namespace {

constexpr const char* kNoKnob = "no knob of tuneshift's";

Error left_out(const std::string& why) {
  return {ErrorCode::not_found, why, {}, 0};
}

std::string unquoted(const std::string& text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return text;
  return text.substr(1, text.size() - 2);
}

/// "8192 s" are sectors.
std::string in_kib(const std::string& value) {
  const size_t blank = value.find_first_of(" \t");
  if (blank == std::string::npos) return value;
  const auto sectors = parse_number(value.substr(0, blank));
  const size_t unit = value.find_first_not_of(" \t", blank);
  if (!sectors) return value;  // tuned does not understand it either
  if (unit == std::string::npos || value[unit] != 's') return value.substr(0, blank);
  return std::to_string(*sectors / 2);
}

const KnobInfo* find_cpu_kind(const std::string& file) {
  for (const KnobInfo& kind : catalogue()) {
    if (kind.family != Family::cpu) continue;
    if (kind.name == file || kind.name.ends_with("/" + file)) return &kind;
  }
  return nullptr;
}

const KnobInfo* find_option(const TunedSetting& setting) {
  const std::string& key = setting.key;
  if (setting.plugin == "sysctl") {
    std::string name = key;
    std::replace(name.begin(), name.end(), '/', '.');
    return find_kind(Family::sysctl, name);
  }
  if (setting.plugin == "vm") {
    if (key == "transparent_hugepages" || key == "transparent_hugepage") {
      return find_kind(Family::thp, "enabled");
    }
    if (key == "transparent_hugepage.defrag") return find_kind(Family::thp, "defrag");
  }
  if (setting.plugin == "disk") {
    if (key == "readahead") return find_kind(Family::block, "queue/read_ahead_kb");
    if (key == "elevator") return find_kind(Family::block, "queue/scheduler");
  }
  if (setting.plugin == "cpu") {
    if (key == "governor") return find_cpu_kind("scaling_governor");
    // Where there is no preference tuned runs x86_energy_perf_policy, which is no knob.
    if (key == "energy_perf_bias") return nullptr;
    return find_cpu_kind(key);
  }
  return nullptr;
}

/// "/sys/block/sd*/queue/nr_requests" → its kind and "sd*".
const KnobInfo* find_sysfs(const std::string& path, std::string& devices) {
  const auto below = [&path](std::string_view folder) {
    return path.starts_with(folder) ? std::string_view(path).substr(folder.size())
                                    : std::string_view();
  };
  if (const auto rest = below("/sys/kernel/mm/transparent_hugepage/"); !rest.empty()) {
    return find_kind(Family::thp, rest);
  }
  for (const auto& [folder, family] :
       {std::pair("/sys/block/", Family::block), std::pair("/sys/class/bdi/", Family::bdi)}) {
    const std::string_view rest = below(folder);
    const size_t slash = rest.find('/');
    if (slash == std::string_view::npos) continue;
    devices = rest.substr(0, slash);
    const KnobInfo* kind = find_kind(family, rest.substr(slash + 1));
    return kind != nullptr && kind->use != Use::kept ? kind : nullptr;
  }
  return nullptr;
}

/// tuned/plugins/plugin_disk.py, _device_is_supported().
bool is_disk_of_tuned(const KernelFs& kernel, const std::string& disk) {
  const std::string folder = "sys/block/" + disk;
  const auto removable = kernel.read(folder + "/removable");
  if (!removable || removable.value() != "0") return false;
  const auto subsystem = kernel.read_link(folder + "/device/subsystem");
  if (!subsystem) return !kernel.exists(folder + "/device");
  const std::string name = subsystem.value().substr(subsystem.value().rfind('/') + 1);
  return name == "scsi" || name == "virtio" || name == "xen" || name == "nvme";
}

std::vector<std::string> devices_of(const KernelFs& kernel, const TunedTarget& target) {
  const char* folder = target.kind->family == Family::block ? "sys/block"
                       : target.kind->family == Family::bdi ? "sys/class/bdi"
                                                            : "sys/devices/system/cpu/cpufreq";
  const auto names = kernel.list(folder);
  std::vector<std::string> devices;
  if (!names) return devices;
  for (const std::string& name : names.value()) {
    if (!matches_devices(target.devices, name)) continue;
    if (target.by_plugin && target.kind->family == Family::block && !is_disk_of_tuned(kernel, name))
      continue;
    devices.push_back(name);
  }
  return devices;
}

void add_sysctl_lines(const std::string& text, KeptValues& values) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const size_t begin = line.find_first_not_of(" \t");
    const size_t equals = line.find('=');
    if (begin == std::string::npos || equals == std::string::npos) continue;
    if (line[begin] == '#' || line[begin] == ';') continue;
    std::string key = line.substr(begin, equals - begin);
    key.erase(key.find_last_not_of(" \t") + 1);
    std::replace(key.begin(), key.end(), '/', '.');
    const KnobInfo* kind = find_kind(Family::sysctl, key);
    if (kind != nullptr) values[key] = normal_text(*kind, line.substr(equals + 1));
  }
}

}  // namespace

Result<TunedTarget> find_tuned_target(const TunedSetting& setting) {
  TunedTarget target;
  target.value = unquoted(setting.value);
  target.devices = "*";
  if (setting.plugin == "sysfs") {
    target.kind = find_sysfs(setting.key, target.devices);
  } else {
    target.kind = find_option(setting);
    target.devices = setting.devices;
    target.by_plugin = true;
  }
  if (target.kind == nullptr) return left_out(kNoKnob);
  if (setting.unusable == "tuned computes it") {
    target.value.clear();
  } else if (!setting.unusable.empty()) {
    return left_out(setting.unusable);
  }
  if (setting.plugin == "disk" && setting.key == "readahead") target.value = in_kib(target.value);
  return target;
}

KeptValues tuned_values(const KernelFs& kernel, const TunedProfile& profile) {
  KeptValues values;
  for (const TunedSetting& setting : profile.settings) {
    const auto found = find_tuned_target(setting);
    if (!found) continue;
    const TunedTarget& target = found.value();
    std::vector<std::string> devices = {""};
    if (target.kind->target != Target::machine) devices = devices_of(kernel, target);
    for (const std::string& device : devices) {
      const auto knob = resolve_knob(kernel, knob_name(*target.kind, {device, {}}));
      if (knob && kernel.exists(knob.value().path)) values[knob.value().name] = target.value;
    }
  }
  return values;
}

KeptValues read_sysctl_settings(const std::vector<std::string>& directories,
                                const std::string& last_file) {
  constexpr size_t kMostFiles = 256;
  constexpr size_t kLargest = 256 << 10;
  KeptValues values;
  std::map<std::string, std::string> texts;  // by file name: the first directory's is read
  for (const std::string& path : directories) {
    const auto directory = TrustedDirectory::open(path);
    const auto names = directory ? directory.value().list(".conf", kMostFiles)
                                 : Result<std::vector<std::string>>(directory.error());
    if (!names) continue;
    for (const std::string& name : names.value()) {
      if (texts.contains(name)) continue;
      const auto text = directory.value().read(name, kLargest);
      if (text) texts[name] = text.value();
    }
  }
  for (const auto& [name, text] : texts) add_sysctl_lines(text, values);
  const auto text = read_trusted_file(last_file, kLargest);
  if (text) add_sysctl_lines(text.value(), values);
  return values;
}

}  // namespace tuneshift
