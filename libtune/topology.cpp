// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/topology.h"

#include <algorithm>
#include <set>

#include "libtune/device_name.h"

namespace tuneshift {

namespace {

constexpr size_t kMostDisks = 1024;

std::string disk_path(const std::string& disk) {
  return "sys/block/" + disk;
}

/// What a stacked device (dm, md, bcache) is made of.
std::vector<std::string> parts_of(const KernelFs& kernel, const std::string& disk) {
  auto names = kernel.list(disk_path(disk) + "/slaves");
  if (!names) return {};
  std::vector<std::string> parts;
  for (const std::string& name : names.value()) {
    if (is_device_name(name)) parts.push_back(disk_of(kernel, name));
  }
  return parts;
}

/// The devices at the bottom of a stack, sorted. Also ends on a tree that leads in circles.
std::vector<std::string> leaves_of(const KernelFs& kernel, const std::string& disk) {
  std::set<std::string> seen = {disk};
  std::vector<std::string> waiting = {disk};
  std::vector<std::string> leaves;
  while (!waiting.empty() && seen.size() < kMostDisks) {
    const std::string name = waiting.back();
    waiting.pop_back();
    const std::vector<std::string> parts = parts_of(kernel, name);
    if (parts.empty()) leaves.push_back(name);
    for (const std::string& part : parts) {
      if (seen.insert(part).second) waiting.push_back(part);
    }
  }
  std::sort(leaves.begin(), leaves.end());
  return leaves;
}

/// "loop7" for "loop": a name of the driver's own numbering.
bool is_numbered(std::string_view name, std::string_view prefix) {
  if (name.size() <= prefix.size() || name.substr(0, prefix.size()) != prefix) return false;
  name.remove_prefix(prefix.size());
  return name.find_first_not_of("0123456789") == std::string_view::npos;
}

bool is_leaf_disk(const KernelFs& kernel, const std::string& name) {
  for (const std::string_view driver : {"loop", "ram", "zram", "sr", "fd", "dm-", "md"}) {
    if (is_numbered(name, driver)) return false;
  }
  const std::string path = disk_path(name);
  if (!kernel.exists(path + "/queue") || kernel.exists(path + "/dm") ||
      kernel.exists(path + "/md")) {
    return false;
  }
  const auto size = kernel.read(path + "/size");
  if (size && size.value() == "0") return false;  // an unconnected nbd, an empty card reader
  return parts_of(kernel, name).empty();
}

Error no_store(const std::string& what) {
  return {ErrorCode::not_found, "no file system's device or bdi '" + what + "'", {}, 0};
}

Result<Store> store_of_disk(const KernelFs& kernel, const std::string& disk) {
  const auto number = kernel.read(disk_path(disk) + "/dev");
  if (!number || !parse_device_number(number.value())) return no_store(disk);
  return Store{number.value(), "block/" + disk + "/queue/read_ahead_kb", leaves_of(kernel, disk)};
}

}  // namespace

Result<Store> find_store(const KernelFs& kernel, uint32_t device_major, uint32_t device_minor) {
  const DeviceNumber number{device_major, device_minor};
  const std::string name = to_string(number);
  if (device_major == 0) {
    if (!kernel.exists("sys/class/bdi/" + name)) return no_store(name);
    return Store{name, "bdi/" + name + "/read_ahead_kb", {}};
  }
  const auto disk = disk_of(kernel, number);
  if (!disk) return no_store(name);
  return store_of_disk(kernel, disk.value());
}

std::vector<std::string> list_disks(const KernelFs& kernel) {
  const auto names = kernel.list("sys/block");
  if (!names) return {};
  std::vector<std::string> disks;
  for (const std::string& name : names.value()) {
    if (disks.size() == kMostDisks) break;
    if (is_device_name(name) && is_leaf_disk(kernel, name)) disks.push_back(name);
  }
  return disks;
}

std::vector<std::string> list_network_bdis(const KernelFs& kernel) {
  // FUSE and NFS name their bdi by the superblock's device and register it while mounted.
  const auto names = kernel.list("sys/class/bdi");
  if (!names) return {};
  std::vector<std::string> bdis;
  for (const std::string& name : names.value()) {
    const auto number = parse_device_number(name);
    if (number && number->major_number == 0 && bdis.size() < kMostDisks) bdis.push_back(name);
  }
  return bdis;
}

bool has_diskless_store(const KernelFs& kernel) {
  const auto names = kernel.list("sys/class/bdi");
  if (!names) return false;
  // "mtd-unmap" belongs to drivers/mtd and to no mount.
  return std::any_of(names.value().begin(), names.value().end(), [](const std::string& name) {
    const auto number = parse_device_number(name);
    return number ? number->major_number == 0 : name.substr(0, 3) != "mtd";
  });
}

Result<Store> find_store_by_name(const KernelFs& kernel, std::string_view name) {
  constexpr std::string_view kDeviceDirectory = "/dev/";
  if (name.substr(0, kDeviceDirectory.size()) == kDeviceDirectory) {
    name.remove_prefix(kDeviceDirectory.size());
  }
  if (const auto number = parse_device_number(name)) {
    return find_store(kernel, number->major_number, number->minor_number);
  }
  std::string own(name);
  std::replace(own.begin(), own.end(), '/', '!');  // as the kernel does: cciss/c0d0
  if (!is_device_name(own)) return no_store(own);
  return store_of_disk(kernel, disk_of(kernel, own));
}

}  // namespace tuneshift
