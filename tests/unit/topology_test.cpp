// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/topology.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "libtune/catalogue.h"
#include "tests/catch.h"
#include "tests/unit/machine_tree.h"

using namespace tuneshift;
using namespace tuneshift::test;

using Names = std::vector<std::string>;

TEST_CASE("a partition's store is its disk") {
  const KernelTree tree = machine_tree();
  const KernelFs kernel = tree.open();
  for (const uint32_t minor_number : {0U, 1U}) {
    const auto store = find_store(kernel, 254, minor_number);
    REQUIRE(store);
    CHECK(store.value().bdi == "254:0");
    CHECK(store.value().read_ahead_knob == "block/vda/queue/read_ahead_kb");
    CHECK(store.value().disks == Names{"vda"});
  }
}

TEST_CASE("a stacked device keeps its read-ahead, its disks are the leaves") {
  const KernelTree tree = machine_tree();
  const auto store = find_store(tree.open(), 253, 0);
  REQUIRE(store);
  CHECK(store.value().bdi == "253:0");
  CHECK(store.value().read_ahead_knob == "block/dm-0/queue/read_ahead_kb");
  CHECK(store.value().disks == Names{"nvme0n1", "nvme1n1"});
}

TEST_CASE("a file system without a block device has its bdi alone") {
  const KernelTree tree = machine_tree();
  const KernelFs kernel = tree.open();
  const auto store = find_store(kernel, 0, 44);
  REQUIRE(store);
  CHECK(store.value().read_ahead_knob == "bdi/0:44/read_ahead_kb");
  CHECK(store.value().disks.empty());
  CHECK(find_store(kernel, 0, 45).error().code == ErrorCode::not_found);
  CHECK(find_store(kernel, 8, 0).error().code == ErrorCode::not_found);
  CHECK(list_network_bdis(kernel) == Names{"0:44"});
}

TEST_CASE("the machine's disks are those that hold data themselves") {
  const KernelTree tree = machine_tree();
  CHECK(list_disks(tree.open()) == Names{"nvme0n1", "nvme1n1", "vda"});
}

TEST_CASE("a person's name for a device finds its store") {
  const KernelTree tree = machine_tree();
  const KernelFs kernel = tree.open();
  for (const char* name : {"vda", "vda1", "/dev/vda1", "254:1"}) {
    INFO(name);
    const auto store = find_store_by_name(kernel, name);
    REQUIRE(store);
    CHECK(store.value().bdi == "254:0");
  }
  CHECK(find_store_by_name(kernel, "0:44").value().bdi == "0:44");
  for (const char* name : {"", "sdz", "..", "../vda", "/dev/../vda", "vda/queue", "/dev/"}) {
    INFO(name);
    CHECK(find_store_by_name(kernel, name).error().code == ErrorCode::not_found);
  }
}

TEST_CASE("a stack that leads in circles ends") {
  const KernelTree tree{
      file("sys/block/dm-0/dev", "253:0\n"),
      file("sys/block/dm-1/dev", "253:1\n"),
      directory("sys/block/dm-0/slaves/dm-1"),
      directory("sys/block/dm-1/slaves/dm-0"),
      symbolic_link("sys/class/block/dm-0", "../../block/dm-0"),
  };
  const auto store = find_store_by_name(tree.open(), "dm-0");
  REQUIRE(store);
  CHECK(store.value().disks.empty());
}

TEST_CASE("the store of this machine's root file system has a knob that exists") {
  const KernelFs kernel = KernelFs::open("/").value();
  struct stat info = {};
  REQUIRE(::stat("/", &info) == 0);
  const auto store = find_store(kernel, major(info.st_dev), minor(info.st_dev));
  if (!store) {
    WARN("the root file system has no bdi of its own: " << store.error().message);
    return;
  }
  const auto knob = resolve_knob(kernel, store.value().read_ahead_knob);
  REQUIRE(knob);
  CHECK(kernel.exists(knob.value().path));
  const auto alias = resolve_knob(kernel, "bdi/" + store.value().bdi + "/read_ahead_kb");
  REQUIRE(alias);
  CHECK(alias.value().name == store.value().read_ahead_knob);
}

TEST_CASE("btrfs is found by the devices it is made of") {
  const KernelTree tree{
      file("proc/1/mountinfo",
           "40 1 0:31 /sub /data\\040x rw,noatime shared:2 - btrfs /dev/vda1 rw,compress=zstd\n"
           "41 1 0:44 / /mnt/models rw - fuse.gcsfuse gcsfuse rw\n"
           "broken line\n"),
      file("sys/devices/pci/block/vda/dev", "254:0\n"),
      file("sys/devices/pci/block/vda/vda1/partition", "1\n"),
      symbolic_link("sys/block/vda", "../devices/pci/block/vda"),
      symbolic_link("sys/class/block/vda1", "../../devices/pci/block/vda/vda1"),
      symbolic_link("sys/fs/btrfs/1234-uuid/devices/vda1",
                    "../../../../devices/pci/block/vda/vda1"),
      symbolic_link("sys/fs/btrfs/1234-uuid/bdi", "../../../devices/virtual/bdi/btrfs-1"),
      directory("sys/fs/btrfs/features"),
      file("sys/class/bdi/btrfs-1/read_ahead_kb", "4096\n"),
      file("sys/class/bdi/0:44/read_ahead_kb", "128\n"),
  };
  const KernelFs kernel = tree.open();
  const std::vector<Mount> mounts = read_host_mounts(kernel);
  REQUIRE(mounts.size() == 2);
  CHECK(mounts[0].mount_point == "/data x");
  CHECK(mounts[0].options == "rw,compress=zstd");
  const auto store = find_store(kernel, 0, 31, mounts);
  REQUIRE(store);
  CHECK(store.value().bdi == "btrfs-1");
  CHECK(store.value().read_ahead_knob == "bdi/btrfs-1/read_ahead_kb");
  CHECK(store.value().disks == Names{"vda"});
  CHECK(store.value().file_system == "btrfs");
  CHECK(resolve_knob(kernel, "bdi/btrfs-1/read_ahead_kb").value().path ==
        "sys/class/bdi/btrfs-1/read_ahead_kb");
  CHECK(find_store(kernel, 0, 44, mounts).value().file_system == "fuse.gcsfuse");
  CHECK_FALSE(find_store(kernel, 0, 31));
  CHECK(list_network_bdis(kernel) == Names{"0:44", "btrfs-1"});
  CHECK(find_store_by_name(kernel, "btrfs-1").value().file_system == "btrfs");
  CHECK_FALSE(find_store_by_name(kernel, "btrfs-2"));
}

TEST_CASE("an overlay's store is what its lower files are on") {
  const KernelTree tree = machine_tree();
  const std::vector<Mount> mounts = {
      {{254, 1}, "/", "ext4", "/dev/vda1", "rw"},
      {{253, 0}, "/var/lib/containers", "xfs", "/dev/mapper/models", "rw"},
      {{0, 60},
       "/merged",
       "overlay",
       "overlay",
       "rw,lowerdir=/var/lib/containers/l1:/var/lib/containers/l2,upperdir=/tmp/u,workdir=/tmp/w"},
      {{0, 61}, "/rootfs", "overlay", "overlay", "rw,lowerdir=/opt/image,upperdir=/u"},
      {{0, 62}, "/nested", "overlay", "overlay", "rw,lowerdir=/merged/x"},
  };
  const KernelFs kernel = tree.open();
  CHECK(find_store(kernel, 0, 60, mounts).value().read_ahead_knob ==
        "block/dm-0/queue/read_ahead_kb");
  CHECK(find_store(kernel, 0, 60, mounts).value().file_system == "xfs");
  CHECK(find_store(kernel, 0, 61, mounts).value().bdi == "254:0");
  CHECK_FALSE(find_store(kernel, 0, 62, mounts));
}

TEST_CASE("stacked devices are those that are made of others") {
  const KernelTree tree = machine_tree();
  CHECK(list_stacked(tree.open()) == Names{"dm-0"});
  CHECK(find_store_by_name(tree.open(), "dm-0").value().stack == Names{"dm-0"});
}
