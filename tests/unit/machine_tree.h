// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "tests/unit/kernel_tree.h"

namespace tuneshift::test {

/// A machine as sysfs and procfs show it: the disk vda (254:0) with the partition vda1 (254:1), two
/// NVMe disks under the device-mapper device dm-0 (253:0), a bound loop device, an unconnected nbd,
/// a FUSE mount (bdi 0:44) and 8 GiB of memory.
inline KernelTree machine_tree() {
  return KernelTree{
      file("proc/meminfo", "MemTotal:        8388608 kB\nMemFree:         1000000 kB\n"),
      file("proc/sys/vm/swappiness", "60\n"),
      file("proc/sys/vm/min_free_kbytes", "67584\n"),
      file("proc/sys/vm/dirty_ratio", "20\n"),
      file("proc/sys/vm/dirty_bytes", "0\n"),
      file("proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t6291456\n"),
      file("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
      file("sys/devices/system/cpu/online", "0-5,8\n"),
      file("sys/devices/system/cpu/cpufreq/policy4/scaling_governor", "schedutil\n"),
      file("sys/devices/system/cpu/cpufreq/policy4/scaling_available_governors",
           "performance schedutil \n"),
      symbolic_link("sys/devices/system/cpu/cpu5/cpufreq", "../cpufreq/policy4"),
      file("sys/class/bdi/0:44/read_ahead_kb", "128\n"),
      file("sys/class/bdi/254:0/read_ahead_kb", "128\n"),
      file("sys/devices/pci/block/vda/dev", "254:0\n"),
      file("sys/devices/pci/block/vda/size", "1000\n"),
      file("sys/devices/pci/block/vda/queue/read_ahead_kb", "128\n"),
      file("sys/devices/pci/block/vda/queue/scheduler", "none [mq-deadline] kyber \n"),
      file("sys/devices/pci/block/vda/queue/nr_requests", "64\n"),
      file("sys/devices/pci/block/vda/queue/max_sectors_kb", "1280\n"),
      file("sys/devices/pci/block/vda/queue/max_hw_sectors_kb", "2048\n"),
      file("sys/devices/pci/block/vda/queue/wbt_lat_usec", "75000\n"),
      file("sys/devices/pci/block/vda/queue/rq_affinity", "1\n"),
      file("sys/devices/pci/block/vda/vda1/dev", "254:1\n"),
      file("sys/devices/pci/block/vda/vda1/partition", "1\n"),
      symbolic_link("sys/block/vda", "../devices/pci/block/vda"),
      symbolic_link("sys/class/block/vda", "../../devices/pci/block/vda"),
      symbolic_link("sys/class/block/vda1", "../../devices/pci/block/vda/vda1"),
      symbolic_link("sys/dev/block/254:0", "../../devices/pci/block/vda"),
      symbolic_link("sys/dev/block/254:1", "../../devices/pci/block/vda/vda1"),
      file("sys/devices/pci/nvme/nvme0/nvme0n1/dev", "259:0\n"),
      file("sys/devices/pci/nvme/nvme0/nvme0n1/size", "1000\n"),
      file("sys/devices/pci/nvme/nvme0/nvme0n1/queue/read_ahead_kb", "128\n"),
      file("sys/devices/pci/nvme/nvme0/nvme0n1/queue/optimal_io_size", "0\n"),
      file("sys/devices/pci/nvme/nvme0/nvme0n1/nvme0n1p1/dev", "259:1\n"),
      file("sys/devices/pci/nvme/nvme0/nvme0n1/nvme0n1p1/partition", "1\n"),
      file("sys/devices/pci/nvme/nvme1/nvme1n1/dev", "259:2\n"),
      file("sys/devices/pci/nvme/nvme1/nvme1n1/size", "1000\n"),
      file("sys/devices/pci/nvme/nvme1/nvme1n1/queue/read_ahead_kb", "128\n"),
      symbolic_link("sys/block/nvme0n1", "../devices/pci/nvme/nvme0/nvme0n1"),
      symbolic_link("sys/block/nvme1n1", "../devices/pci/nvme/nvme1/nvme1n1"),
      symbolic_link("sys/class/block/nvme0n1", "../../devices/pci/nvme/nvme0/nvme0n1"),
      symbolic_link("sys/class/block/nvme0n1p1", "../../devices/pci/nvme/nvme0/nvme0n1/nvme0n1p1"),
      symbolic_link("sys/class/block/nvme1n1", "../../devices/pci/nvme/nvme1/nvme1n1"),
      file("sys/devices/virtual/block/dm-0/dev", "253:0\n"),
      file("sys/devices/virtual/block/dm-0/size", "2000\n"),
      file("sys/devices/virtual/block/dm-0/dm/name", "models\n"),
      file("sys/devices/virtual/block/dm-0/queue/read_ahead_kb", "128\n"),
      symbolic_link("sys/devices/virtual/block/dm-0/slaves/nvme0n1p1",
                    "../../../../pci/nvme/nvme0/nvme0n1/nvme0n1p1"),
      symbolic_link("sys/devices/virtual/block/dm-0/slaves/nvme1n1",
                    "../../../../pci/nvme/nvme1/nvme1n1"),
      symbolic_link("sys/block/dm-0", "../devices/virtual/block/dm-0"),
      symbolic_link("sys/class/block/dm-0", "../../devices/virtual/block/dm-0"),
      symbolic_link("sys/dev/block/253:0", "../../devices/virtual/block/dm-0"),
      file("sys/devices/virtual/block/loop0/dev", "7:0\n"),
      file("sys/devices/virtual/block/loop0/size", "8\n"),
      directory("sys/devices/virtual/block/loop0/queue"),
      symbolic_link("sys/block/loop0", "../devices/virtual/block/loop0"),
      file("sys/devices/virtual/block/nbd0/dev", "43:0\n"),
      file("sys/devices/virtual/block/nbd0/size", "0\n"),
      directory("sys/devices/virtual/block/nbd0/queue"),
      symbolic_link("sys/block/nbd0", "../devices/virtual/block/nbd0"),
  };
}

}  // namespace tuneshift::test
