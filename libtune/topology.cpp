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

/// Adds what a device is made of: the devices at the bottom, sorted, and those above them. Also
/// ends on a tree that leads in circles.
void add_parts(const KernelFs& kernel, const std::string& disk, Store& store) {
  std::set<std::string> seen = {disk};
  std::vector<std::string> waiting = {disk};
  while (!waiting.empty() && seen.size() < kMostDisks) {
    const std::string name = waiting.back();
    waiting.pop_back();
    const std::vector<std::string> parts = parts_of(kernel, name);
    (parts.empty() ? store.disks : store.stack).push_back(name);
    for (const std::string& part : parts) {
      if (seen.insert(part).second) waiting.push_back(part);
    }
  }
  std::sort(store.disks.begin(), store.disks.end());
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
  Store store;
  store.bdi = number.value();
  store.read_ahead_knob = "block/" + disk + "/queue/read_ahead_kb";
  add_parts(kernel, disk, store);
  return store;
}

Store store_of_bdi(const std::string& bdi) {
  Store store;
  store.bdi = bdi;
  store.read_ahead_knob = "bdi/" + bdi + "/read_ahead_kb";
  return store;
}

const Mount* find_mount(const std::vector<Mount>& mounts, DeviceNumber device) {
  const auto found = std::find_if(mounts.begin(), mounts.end(), [&](const Mount& mount) {
    return mount.device.major_number == device.major_number &&
           mount.device.minor_number == device.minor_number;
  });
  return found == mounts.end() ? nullptr : &*found;
}

/// The mount that a path is on: the longest mount point that leads to it.
const Mount* mount_of(const std::vector<Mount>& mounts, std::string_view path) {
  const Mount* longest = nullptr;
  size_t longest_size = 0;
  for (const Mount& mount : mounts) {
    std::string_view point = mount.mount_point;
    if (point == "/") point = {};
    const bool leads = path.substr(0, point.size()) == point &&
                       (path.size() == point.size() || path[point.size()] == '/');
    // The later of two on one point hides the earlier.
    if (leads && point.size() >= longest_size) {
      longest = &mount;
      longest_size = point.size();
    }
  }
  return longest;
}

/// btrfs has a bdi of its own name; its sysfs tells which, by the devices it is made of
/// (fs/btrfs/sysfs.c: UUID/bdi, UUID/devices/).
Result<Store> store_of_btrfs(const KernelFs& kernel, const Mount& mount) {
  constexpr std::string_view kDirectory = "sys/fs/btrfs/";
  const std::string device = last_part(mount.source);
  const auto file_systems = kernel.list(kDirectory);
  if (!file_systems || !is_device_name(device)) return no_store(mount.source);
  for (const std::string& id : file_systems.value()) {
    const std::string directory = std::string(kDirectory) + id;
    if (!kernel.exists(directory + "/devices/" + device)) continue;
    const auto link = kernel.read_link(directory + "/bdi");
    const auto devices = kernel.list(directory + "/devices");
    if (!link || !devices) break;
    Store store = store_of_bdi(last_part(link.value()));
    for (const std::string& part : devices.value()) {
      if (is_device_name(part)) add_parts(kernel, disk_of(kernel, part), store);
    }
    return store;
  }
  return no_store(mount.source);
}

/// The value of "name=" among a superblock's options, up to the next comma or colon.
std::string option_of(std::string_view options, const std::string& name) {
  const size_t at = ("," + std::string(options)).find("," + name + "=");
  if (at == std::string::npos) return {};
  options.remove_prefix(at + name.size() + 1);
  return std::string(options.substr(0, options.find_first_of(",:")));
}

/// What an overlay's lower files are on: the image's layers, where models are.
Result<Store> store_of_overlay(const KernelFs& kernel, const Mount& overlay,
                               const std::vector<Mount>& mounts) {
  const std::string lower = option_of(overlay.options, "lowerdir");
  const Mount* below = mount_of(mounts, lower);
  if (below == nullptr || below->type == overlay.type) return no_store(lower);
  return find_store(kernel, below->device.major_number, below->device.minor_number, mounts);
}

Result<Store> find_bare_store(const KernelFs& kernel, DeviceNumber number,
                              const std::vector<Mount>& mounts) {
  const std::string name = to_string(number);
  if (number.major_number != 0) {
    const auto disk = disk_of(kernel, number);
    return disk ? store_of_disk(kernel, disk.value()) : no_store(name);
  }
  if (kernel.exists("sys/class/bdi/" + name)) return store_of_bdi(name);
  const Mount* mount = find_mount(mounts, number);
  if (mount != nullptr && mount->type == "btrfs") return store_of_btrfs(kernel, *mount);
  if (mount != nullptr && mount->type == "overlay") {
    return store_of_overlay(kernel, *mount, mounts);
  }
  return no_store(name);
}

}  // namespace

Result<Store> find_store(const KernelFs& kernel, uint32_t device_major, uint32_t device_minor,
                         const std::vector<Mount>& mounts) {
  const DeviceNumber number{device_major, device_minor};
  auto store = find_bare_store(kernel, number, mounts);
  const Mount* mount = find_mount(mounts, number);
  if (store && store.value().file_system.empty() && mount != nullptr) {
    store.value().file_system = mount->type;
  }
  return store;
}

std::vector<std::string> list_stacked(const KernelFs& kernel) {
  const auto names = kernel.list("sys/block");
  std::vector<std::string> stacked;
  if (!names) return stacked;
  for (const std::string& name : names.value()) {
    if (stacked.size() == kMostDisks) break;
    if (is_device_name(name) && !parts_of(kernel, name).empty()) stacked.push_back(name);
  }
  return stacked;
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
    const bool of_mount = number ? number->major_number == 0 : name.substr(0, 6) == "btrfs-";
    if (of_mount && bdis.size() < kMostDisks) bdis.push_back(name);
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

Result<Store> find_store_by_name(const KernelFs& kernel, std::string_view name,
                                 const std::vector<Mount>& mounts) {
  constexpr std::string_view kDeviceDirectory = "/dev/";
  if (name.substr(0, kDeviceDirectory.size()) == kDeviceDirectory) {
    name.remove_prefix(kDeviceDirectory.size());
  }
  if (const auto number = parse_device_number(name)) {
    return find_store(kernel, number->major_number, number->minor_number, mounts);
  }
  constexpr std::string_view kBtrfs = "btrfs-";
  if (name.substr(0, kBtrfs.size()) == kBtrfs && is_device_name(name) &&
      kernel.exists("sys/class/bdi/" + std::string(name))) {
    Store store = store_of_bdi(std::string(name));
    store.file_system = "btrfs";
    return store;
  }
  std::string own(name);
  std::replace(own.begin(), own.end(), '/', '!');  // as the kernel does: cciss/c0d0
  if (!is_device_name(own)) return no_store(own);
  return store_of_disk(kernel, disk_of(kernel, own));
}

}  // namespace tuneshift
