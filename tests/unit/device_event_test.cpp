// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/device_event.h"

#include <string>

#include "tests/catch.h"

using namespace tuneshift;
using namespace std::string_literals;

namespace {

using Action = DeviceEvent::Action;
using Subsystem = DeviceEvent::Subsystem;

std::string uevent(const std::string& action, const std::string& path,
                   const std::string& subsystem) {
  return action + "@" + path + "\0ACTION="s + action + "\0DEVPATH="s + path + "\0SUBSYSTEM="s +
         subsystem + "\0SEQNUM=4711\0"s;
}

}  // namespace

TEST_CASE("disks, partitions and backing devices are told by name") {
  CHECK(parse_uevent(uevent("add", "/devices/virtual/bdi/0:44", "bdi")) ==
        DeviceEvent{Action::add, Subsystem::bdi, "0:44", false});
  CHECK(parse_uevent(uevent("remove", "/devices/virtual/bdi/btrfs-1", "bdi")) ==
        DeviceEvent{Action::remove, Subsystem::bdi, "btrfs-1", false});
  const std::string disk = "/devices/pci0000:00/0000:00:04.0/nvme/nvme1/nvme1n1";
  CHECK(parse_uevent(uevent("change", disk, "block") + "DEVTYPE=disk\0"s) ==
        DeviceEvent{Action::change, Subsystem::block, "nvme1n1", false});
  CHECK(parse_uevent(uevent("remove", disk + "/nvme1n1p2", "block") + "DEVTYPE=partition\0"s) ==
        DeviceEvent{Action::remove, Subsystem::block, "nvme1n1p2", true});
  CHECK(parse_uevent(uevent("move", "/devices/x/block/cciss!c0d0", "block"))->action ==
        Action::move);
  CHECK(parse_uevent(uevent("offline", "/devices/x/block/sda", "block"))->action == Action::other);
}

TEST_CASE("an event that somebody had repeated tells of nothing new") {
  for (const std::string action : {"add", "remove"}) {
    const auto event = parse_uevent(uevent(action, "/block/vda", "block") + "SYNTH_UUID=0\0"s);
    REQUIRE(event);
    CHECK(event->action == Action::other);
  }
}

TEST_CASE("an NVMe controller tells that it is up") {
  const std::string up = uevent("change", "/devices/pci0000:00/0000:00:04.0/nvme/nvme0", "nvme");
  CHECK(parse_uevent(up + "NVME_EVENT=connected\0"s) ==
        DeviceEvent{Action::change, Subsystem::nvme, "nvme0", false});
  CHECK_FALSE(parse_uevent(up));
  CHECK_FALSE(parse_uevent(up + "NVME_EVENT=rediscover\0"s));
  CHECK_FALSE(parse_uevent(up + "NVME_EVENT=connected\0SYNTH_UUID=0\0"s));
  CHECK_FALSE(parse_uevent(uevent("add", "/devices/x/nvme/nvme0", "nvme")));
}

TEST_CASE("other subsystems and what no kernel sends are no event") {
  CHECK_FALSE(parse_uevent(uevent("add", "/devices/virtual/net/veth0", "net")));
  CHECK_FALSE(parse_uevent(""));
  CHECK_FALSE(parse_uevent("\0\0\0"s));
  CHECK_FALSE(parse_uevent("libudev\0SUBSYSTEM=block"s));
  CHECK_FALSE(parse_uevent("ACTION=add\0DEVPATH=/block/vda\0SUBSYSTEM=blockade\0"s));
  CHECK_FALSE(parse_uevent("ACTION=add\0DEVPATH=/block/vda\0XSUBSYSTEM=block\0"s));
  CHECK_FALSE(parse_uevent("DEVPATH=/block/vda\0SUBSYSTEM=block\0"s));
  CHECK_FALSE(parse_uevent("ACTION=add\0SUBSYSTEM=block\0"s));
  for (const std::string& name :
       {""s, "."s, ".."s, "a b"s, "a\nb"s, "\xff"s, "disk\""s, std::string(64, 'a')}) {
    CHECK_FALSE(parse_uevent(uevent("add", "/block/" + name, "block")));
  }
  CHECK(parse_uevent(uevent("add", "/block/" + std::string(63, 'a'), "block")));
  CHECK_FALSE(parse_uevent(uevent("add", "/block/vda", "block") + std::string(9000, 'x')));
}

TEST_CASE("a field that has no end is read as it is") {
  const auto event = parse_uevent("ACTION=add\0SUBSYSTEM=bdi\0DEVPATH=/bdi/0:44"s);
  REQUIRE(event);
  CHECK(event->name == "0:44");
}
