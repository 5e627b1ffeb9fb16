// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/machine.h"

#include "tests/catch.h"
#include "tests/unit/machine_tree.h"

using namespace tuneshift;
using namespace tuneshift::test;

namespace {

const std::string kX86 = "processor\t: 0\nvendor_id\t: AuthenticAMD\nflags\t\t: fpu vme";
const std::string kArm = "processor\t: 0\nFeatures\t: fp asimd\nCPU implementer\t: ";

Machine machine_of(const std::string& cpuinfo, const std::string& vendor = {},
                   const std::string& product = {}) {
  const KernelTree tree{file("proc/cpuinfo", cpuinfo + "\n"),
                        file("sys/class/dmi/id/sys_vendor", vendor + "\n"),
                        file("sys/class/dmi/id/product_name", product + "\n")};
  return read_machine(tree.open());
}

}  // namespace

TEST_CASE("every maker of ARM processors is arm") {
  for (const char* implementer : {"0x41", "0xc0", "0x6d", "0x4e", "0x48"}) {
    CHECK(machine_of(kArm + implementer).cpu_vendor == "arm");
  }
  CHECK(machine_of(kX86).cpu_vendor == "amd");
  CHECK(machine_of("vendor_id\t: IBM/S390").cpu_vendor == "IBM/S390");
}

TEST_CASE("a guest is told by its flag on x86, and by its firmware on ARM") {
  struct Case {
    const char* vendor;
    const char* product;
    const char* on_arm;
    const char* with_flag;
  };
  for (const Case& one :
       {Case{"Amazon EC2", "m7g.xlarge", "amazon", "amazon"},
        Case{"Amazon EC2", "m7g.metal", "none", "amazon"},
        Case{"Amazon EC2", "r8g.metal-24xl", "none", "amazon"},
        Case{"Google", "Google Compute Engine", "google", "google"},
        Case{"Microsoft Corporation", "Virtual Machine", "microsoft", "microsoft"},
        Case{"Microsoft Corporation", "Surface Pro", "none", "microsoft"},
        Case{"QEMU", "KVM Virtual Machine", "qemu", "qemu"}, Case{"Somebody", "KVM", "kvm", "kvm"},
        Case{"Ampere", "Mt. Jade", "none", "other"}, Case{"", "", "none", "other"}}) {
    INFO(one.vendor << ", " << one.product);
    CHECK(machine_of(kArm + "0x41", one.vendor, one.product).virtualization == one.on_arm);
    CHECK(machine_of(kX86 + " hypervisor", one.vendor, one.product).virtualization ==
          one.with_flag);
    CHECK(machine_of(kX86, one.vendor, one.product).virtualization == "none");
  }
}
