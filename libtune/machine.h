// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "libtune/kernel_fs.h"
#include "libtune/topology.h"

namespace tuneshift {

/// What profiles may ask of a disk.
struct DiskFacts {
  std::string transport;  ///< "nvme", "virtio", "usb", "sata", "sas", "scsi", "mmc", "virtual",
                          ///< "unknown"
  std::string model;      ///< as the device tells it, without blanks at its end
  std::string driver;     ///< of the device: "nvme", "sd", "virtio_blk"; empty where there is none
  bool rotational = false;
  bool is_sure = true;      ///< false where the kernel gave no answer about `rotational`
  bool is_virtual = false;  ///< a hypervisor's, or no device at all
};

/// What profiles may ask of the machine, and what a whole-machine lease touches.
struct Machine {
  std::vector<Store> stores;               ///< disks, stacked devices, mounts without a disk
  std::map<std::string, DiskFacts> disks;  ///< leaf disks by name
  std::vector<std::string> cpu_policies;   ///< "policy0", …
  int64_t memory_bytes = 0;
  std::string cpu_vendor;      ///< "intel", "amd", "arm" for all that implement it, or what
                               ///< proc/cpuinfo says; may be empty
  std::string virtualization;  ///< "none", "kvm", "qemu", "amazon", "google", "microsoft",
                               ///< "vmware", "xen", or "other" for a hypervisor that is not known
};

DiskFacts read_disk_facts(const KernelFs& kernel, const std::string& disk);

/// The machine as it is now. Reads a few files for each disk and mount: keep it until a device
/// comes or goes.
Machine read_machine(const KernelFs& kernel);

}  // namespace tuneshift
