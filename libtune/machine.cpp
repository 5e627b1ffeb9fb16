// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/machine.h"

#include <algorithm>
#include <utility>

#include "libtune/meminfo.h"

namespace tuneshift {

namespace {

constexpr size_t kCpuInfoBytes = 4096;                    // the first CPU tells all
constexpr std::string_view kArm = "CPU implementer\t: ";  // arch/arm64/kernel/cpuinfo.c
constexpr size_t kMostPolicies = 8192;

std::string read_trimmed(const KernelFs& kernel, const std::string& path) {
  auto text = kernel.read(path);
  if (!text) return {};
  while (text.value().ends_with(' ')) text.value().pop_back();
  return std::move(text).value();
}

bool starts_with_any(std::string_view name, std::initializer_list<std::string_view> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](std::string_view prefix) { return name.starts_with(prefix); });
}

/// By the path of the device: "…/ata1/host0/…", "…/usb2/…", "…/virtio3/…", "…/nvme/nvme0/…".
std::string transport_of(const KernelFs& kernel, const std::string& disk) {
  if (starts_with_any(disk, {"nvme"})) return "nvme";
  if (starts_with_any(disk, {"mmcblk"})) return "mmc";
  const auto link = kernel.read_link("sys/block/" + disk);
  const std::string_view path = link ? std::string_view(link.value()) : std::string_view();
  if (path.find("/virtual/") != std::string_view::npos) return "virtual";
  if (path.find("/usb") != std::string_view::npos) return "usb";
  if (path.find("/ata") != std::string_view::npos) return "sata";
  if (path.find("/end_device-") != std::string_view::npos) return "sas";
  if (path.find("/virtio") != std::string_view::npos || disk.starts_with("vd")) return "virtio";
  return disk.starts_with("sd") ? "scsi" : "unknown";
}

std::string vendor_of(std::string_view cpuinfo) {
  constexpr std::pair<std::string_view, std::string_view> kVendors[] = {
      {"GenuineIntel", "intel"}, {"AuthenticAMD", "amd"}, {kArm, "arm"}};
  for (const auto& [mark, vendor] : kVendors) {
    if (cpuinfo.find(mark) != std::string_view::npos) return std::string(vendor);
  }
  constexpr std::string_view kLabel = "vendor_id\t: ";
  const size_t at = cpuinfo.find(kLabel);
  if (at == std::string_view::npos) return {};
  cpuinfo.remove_prefix(at + kLabel.size());
  return std::string(cpuinfo.substr(0, cpuinfo.find('\n')));
}

/// Whether the firmware of a maker of machines and of guests names a machine.
bool is_bare_metal(const std::string& vendor, const std::string& product) {
  if (vendor == "Amazon EC2") return product.find(".metal") != std::string::npos;
  if (vendor == "Google") return product != "Google Compute Engine";
  return vendor == "Microsoft Corporation" && product != "Virtual Machine";
}

/// By the firmware's names, as systemd-detect-virt(1) does. x86 has a flag that says whether to
/// look at them (X86_FEATURE_HYPERVISOR); on arm64 they alone tell.
std::string virtualization_of(const KernelFs& kernel, std::string_view cpuinfo) {
  constexpr std::pair<std::string_view, std::string_view> kVendors[] = {
      {"Amazon EC2", "amazon"},
      {"Google", "google"},
      {"Microsoft Corporation", "microsoft"},
      {"VMware, Inc.", "vmware"},
      {"Xen", "xen"},
      {"QEMU", "qemu"},
      {"KVM", "kvm"}};
  const bool is_arm = cpuinfo.find(kArm) != std::string_view::npos;
  const bool in_hypervisor = kernel.exists("sys/hypervisor/type") ||
                             (!is_arm && cpuinfo.find(" hypervisor") != std::string_view::npos);
  if (!in_hypervisor && !is_arm) return "none";
  const std::string vendor = read_trimmed(kernel, "sys/class/dmi/id/sys_vendor");
  const std::string product = read_trimmed(kernel, "sys/class/dmi/id/product_name");
  if (!in_hypervisor && is_bare_metal(vendor, product)) return "none";
  for (const std::string& text : {vendor, product}) {
    for (const auto& [mark, name] : kVendors) {
      if (text == mark) return std::string(name);
    }
  }
  return in_hypervisor ? "other" : "none";
}

std::vector<std::string> list_policies(const KernelFs& kernel) {
  auto names = kernel.list("sys/devices/system/cpu/cpufreq");
  if (!names) return {};
  std::vector<std::string> policies;
  for (const std::string& name : names.value()) {
    if (name.starts_with("policy") && policies.size() < kMostPolicies) policies.push_back(name);
  }
  return policies;
}

std::vector<Store> list_stores(const KernelFs& kernel) {
  std::vector<Store> stores;
  const std::vector<Mount> mounts = read_host_mounts(kernel);
  for (const auto& names : {list_disks(kernel), list_stacked(kernel)}) {
    for (const std::string& name : names) {
      if (auto store = find_store_by_name(kernel, name)) stores.push_back(std::move(store).value());
    }
  }
  for (const std::string& name : list_network_bdis(kernel)) {
    const auto number = parse_device_number(name);
    auto store = number ? find_store(kernel, number->major_number, number->minor_number, mounts)
                        : find_store_by_name(kernel, name);
    if (store) stores.push_back(std::move(store).value());
  }
  return stores;
}

}  // namespace

DiskFacts read_disk_facts(const KernelFs& kernel, const std::string& disk) {
  const std::string directory = "sys/block/" + disk;
  DiskFacts facts;
  facts.transport = transport_of(kernel, disk);
  facts.model = read_trimmed(kernel, directory + "/device/model");
  if (const auto driver = kernel.read_link(directory + "/device/driver")) {
    facts.driver = last_part(driver.value());
  }
  // NVMe namespaces hang on their controller, whose driver is the PCI device's.
  if (facts.driver.empty() && facts.transport == "nvme") facts.driver = "nvme";
  const auto rotational = kernel.read(directory + "/queue/rotational");
  facts.rotational = rotational && rotational.value() == "1";
  facts.is_sure = rotational || rotational.error().code == ErrorCode::not_found;
  facts.is_virtual = facts.transport == "virtio" || facts.transport == "virtual" ||
                     starts_with_any(facts.model, {"QEMU", "VMware", "Virtual", "Msft Virtual",
                                                   "Amazon Elastic Block Store", "PersistentDisk"});
  return facts;
}

Machine read_machine(const KernelFs& kernel) {
  Machine machine;
  machine.stores = list_stores(kernel);
  for (const Store& store : machine.stores) {
    for (const std::string& disk : store.disks) {
      if (!machine.disks.contains(disk)) machine.disks[disk] = read_disk_facts(kernel, disk);
    }
  }
  machine.cpu_policies = list_policies(kernel);
  if (const auto kib = read_meminfo(kernel, "MemTotal")) machine.memory_bytes = kib.value() * 1024;
  const auto cpuinfo = kernel.read_head("proc/cpuinfo", kCpuInfoBytes);
  const std::string_view first = cpuinfo ? std::string_view(cpuinfo.value()) : std::string_view();
  machine.cpu_vendor = vendor_of(first);
  machine.virtualization = virtualization_of(kernel, first);
  return machine;
}

}  // namespace tuneshift
