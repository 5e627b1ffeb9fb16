// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libtune/kernel_fs.h"
#include "libtune/mount_table.h"
#include "libtune/result.h"

namespace tuneshift {

/// What one file system's data goes through.
struct Store {
  std::string bdi;                 ///< "254:0", "0:44", "btrfs-1"
  std::string read_ahead_knob;     ///< canonical name of the one knob that holds its read-ahead
  std::vector<std::string> disks;  ///< leaf block devices ("vda", "nvme0n1"); none for FUSE, NFS
  std::vector<std::string> stack;  ///< devices above the leaves ("dm-0", "bcache1"), unsorted
  std::string file_system;         ///< "ext4", "nfs4", "fuse.gcsfuse"; empty where it is not known

  bool operator==(const Store&) const = default;
};

/// The store behind a superblock's device number (struct super_block s_dev): a partition's disk,
/// the leaves under dm and md, btrfs's own bdi and disks, what an overlay lies on, or the bdi alone
/// where there is no block device. `mounts` tell what has no number of its own in sysfs; without
/// them neither btrfs nor overlays are found.
Result<Store> find_store(const KernelFs& kernel, uint32_t device_major, uint32_t device_minor,
                         const std::vector<Mount>& mounts = {});

/// Every physical or virtual disk of the machine that a whole-machine lease touches: not loop,
/// ram, zram, nor partitions, dm or md (their leaves are listed instead).
std::vector<std::string> list_disks(const KernelFs& kernel);

/// dm, md and bcache devices that are in use: their read-ahead is a file system's own.
std::vector<std::string> list_stacked(const KernelFs& kernel);

/// bdis of mounted file systems without a block device (FUSE, NFS): "0:44".
std::vector<std::string> list_network_bdis(const KernelFs& kernel);

/// Whether any mounted file system has no block device: those bdis, and btrfs's ("btrfs-1").
bool has_diskless_store(const KernelFs& kernel);

/// A device named by a person ("nvme0n1", "/dev/nvme0n1p2", "0:44"): the names that
/// device-scoped knobs use.
Result<Store> find_store_by_name(const KernelFs& kernel, std::string_view name,
                                 const std::vector<Mount>& mounts = {});

}  // namespace tuneshift
