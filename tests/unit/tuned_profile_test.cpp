// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/tuned_profile.h"

#include <filesystem>

#include "libtune/profile.h"
#include "libtune/tuned_file.h"
#include "libtune/tuned_knobs.h"
#include "tests/catch.h"
#include "tests/unit/machine_tree.h"
#include "tests/unit/operator_directory.h"

using namespace tuneshift;
using namespace tuneshift::test;

namespace {

/// A folder of tuned's profiles.
struct TunedFolder {
  OperatorDirectory directory;
  OperatorDirectory other;

  void add(const std::string& name, const std::string& text) const { add(directory, name, text); }
  static void add(const OperatorDirectory& to, const std::string& name, const std::string& text) {
    std::filesystem::create_directories(to.file(name));
    to.mode(name, 0755);
    to.write(name + "/tuned.conf", text);
  }

  [[nodiscard]] Result<TunedProfile> read(const KernelFs& kernel, const std::string& name) const {
    return read_tuned_profile(kernel, {directory.path(), other.path()}, name);
  }
};

/// "key=value", one a line, with the reason where it is unusable.
std::string list(const TunedProfile& profile) {
  std::string text;
  for (const TunedSetting& one : profile.settings) {
    text += "[" + one.unit + "] " + one.key + "=" + one.value +
            (one.unusable.empty() ? "" : " (" + one.unusable + ")") + "\n";
  }
  return text;
}

/// What read_profiles() says of it, and the profile's entries.
std::string mistakes_in(const std::string& yaml) {
  const OperatorDirectory directory;
  directory.write("imported.yaml", yaml);
  Diagnostics mistakes;
  (void)read_profiles({directory.path()}, mistakes);
  return directory.print(mistakes);
}

}  // namespace

TEST_CASE("a tuned.conf is read as Python's configparser reads it", "[tuned]") {
  const auto sections = parse_tuned_file(
      "# comment\n[sysctl]\nvm.swappiness = 10 # why\nkernel.sem=1 2\n  3 4\n; another\n"
      "a=x#y\n\n[vm]\n[sysctl]\nvm.swappiness=20\n");
  REQUIRE(sections);
  REQUIRE(sections.value().size() == 2);
  const TunedSection& sysctl = sections.value()[0];
  CHECK(*sysctl.find("vm.swappiness") == "20");
  CHECK(*sysctl.find("kernel.sem") == "1 2\n3 4");
  CHECK(*sysctl.find("a") == "x#y");
  CHECK(parse_tuned_file("a=1\n").error().message ==
        "line 1: nothing may come before the first [section]");
  CHECK(parse_tuned_file("[a]\nnonsense\n").error().message == "line 2: expected key = value");
  CHECK(parse_tuned_file("a=1\n", true));
}

TEST_CASE("tuned's includes, variables, drops and conditions are followed", "[tuned]") {
  const KernelTree tree = machine_tree();
  const KernelFs kernel = tree.open();
  const TunedFolder folder;
  folder.add("base",
             "[main]\nsummary=base\n[variables]\nswap=5\n"
             "[sysctl]\nvm.swappiness=${swap}\nvm.dirty_ratio=40\nkernel.x=1\n"
             "[vm.arm]\ntype=vm\nuname_regex=no such machine\ntransparent_hugepages=never\n");
  folder.add("top",
             "[main]\nsummary=top\ninclude=base\n[variables]\nswap=6\nlist=${swap} 7\n"
             "[sysctl]\ndrop=kernel.x\nvm.dirty_ratio=30\nnet.ipv4.tcp_rmem=\"1 2 3\"\n"
             "fs.y=${f:exec:id}\nfs.z=\\${swap}\nfs.w=${list}\n");
  auto profile = folder.read(kernel, "top");
  REQUIRE(profile);
  CHECK(profile.value().summary == "top");
  CHECK(list(profile.value()) ==
        "[sysctl] vm.swappiness=6\n[sysctl] vm.dirty_ratio=30\n[sysctl] net.ipv4.tcp_rmem=\"1 2 "
        "3\"\n[sysctl] fs.y=${f:exec:id} (tuned computes it)\n[sysctl] fs.z=${swap} (tuned "
        "computes it)\n[sysctl] fs.w=6 7\n[vm.arm] transparent_hugepages=never (only where uname "
        "matches 'no such machine')\n");
  // The later folder's hides the earlier's.
  TunedFolder::add(folder.other, "base", "[sysctl]\nvm.swappiness=1\n");
  profile = folder.read(kernel, "base");
  REQUIRE(profile);
  CHECK(list(profile.value()) == "[sysctl] vm.swappiness=1\n");
  CHECK(folder.read(kernel, "bsae").error().message == "no profile 'bsae', did you mean 'base'?");
  CHECK(folder.read(kernel, "../base").error().code == ErrorCode::not_found);
  folder.directory.mode("top/tuned.conf", 0666);
  CHECK(folder.read(kernel, "top").error().code == ErrorCode::permission);
}

TEST_CASE("a profile that includes itself is read once", "[tuned]") {
  const KernelTree tree = machine_tree();
  const KernelFs kernel = tree.open();
  const TunedFolder folder;
  folder.add("a", "[main]\ninclude=b\n[sysctl]\nvm.swappiness=1\n");
  folder.add("b", "[main]\ninclude=a, -absent\n[sysctl]\nvm.swappiness=2\n");
  const auto profile = folder.read(kernel, "a");
  REQUIRE(profile);
  CHECK(list(profile.value()) == "[sysctl] vm.swappiness=1\n");
}

TEST_CASE("what tuned keeps is known for each device that it takes", "[tuned]") {
  const KernelTree tree = machine_tree();
  for (const char* disk : {"pci/block/vda", "virtual/block/dm-0", "virtual/block/loop0"}) {
    tree.set(std::string("sys/devices/") + disk + "/removable", "0\n");
  }
  const KernelFs kernel = tree.open();
  const TunedFolder folder;
  folder.add("p",
             "[disk]\ndevices=!dm-*\nreadahead=8192 s\n[vm]\ntransparent_hugepages=never\n"
             "[sysctl]\nvm/swappiness=10\nno.such=1\n"
             "[sysfs]\n/sys/block/nvme*/queue/read_ahead_kb=64\n");
  const auto profile = folder.read(kernel, "p");
  REQUIRE(profile);
  const KeptValues values = tuned_values(kernel, profile.value());
  CHECK(values == KeptValues{{"block/nvme0n1/queue/read_ahead_kb", "64"},
                             {"block/nvme1n1/queue/read_ahead_kb", "64"},
                             {"block/vda/queue/read_ahead_kb", "4096"},
                             {"thp/enabled", "never"},
                             {"vm.swappiness", "10"}});
}

TEST_CASE("an imported profile is one of ours", "[tuned]") {
  const KernelTree tree = machine_tree();
  const KernelFs kernel = tree.open();
  const TunedFolder folder;
  folder.add("p",
             "[main]\nsummary=it's \"odd\": #1\n[disk]\nreadahead=>4096\n"
             "elevator=none\n[disk-sd]\ntype=disk\ndevices=sd*\nreadahead=1\n"
             "[sysctl]\nvm.swappiness=900\nvm.dirty_ratio=0\nvm.dirty_bytes=536870912\n"
             "net.ipv4.tcp_rmem=\"4096 87380 16777216\"\n");
  const auto profile = folder.read(kernel, "p");
  REQUIRE(profile);
  const ImportedProfile imported = import_tuned(profile.value());
  CHECK(mistakes_in(imported.yaml).empty());
  CHECK(imported.taken == 4);
  CHECK(imported.yaml.find("queue/read_ahead_kb: {at_least: 4096}  # p: [disk] readahead\n") !=
        std::string::npos);
  CHECK(imported.yaml.find("# not taken over: [disk-sd] readahead = 1: only for the devices "
                           "'sd*'\n") != std::string::npos);
  CHECK(imported.yaml.find("# not taken over: [sysctl] vm.dirty_ratio = 0: 0 as long as "
                           "vm.dirty_bytes is set\n") != std::string::npos);
  CHECK(imported.yaml.find("# not taken over: [sysctl] vm.swappiness = 900: ") !=
        std::string::npos);
}

TEST_CASE("a profile that includes its own name extends that of an earlier folder", "[tuned]") {
  const TunedFolder folder;
  folder.add("one", "[sysctl]\nvm.swappiness=1\nvm.dirty_ratio=7\n");
  TunedFolder::add(folder.other, "one", "[main]\ninclude=one\n[sysctl]\nvm.swappiness=2\n");
  const KernelTree tree = machine_tree();
  const auto profile = folder.read(tree.open(), "one");
  REQUIRE(profile);
  CHECK(list(profile.value()) ==
        "[sysctl] vm.swappiness=2\n"
        "[sysctl] vm.dirty_ratio=7\n");
}

TEST_CASE("every profile of the distribution's tuned can be imported", "[tuned]") {
  const auto names = list_tuned_profiles(tuned_directories());
  if (names.empty()) return;  // there is no tuned here
  const KernelTree tree = machine_tree();
  const KernelFs kernel = tree.open();
  for (const std::string& name : names) {
    CAPTURE(name);
    const auto profile = read_tuned_profile(kernel, tuned_directories(), name);
    REQUIRE(profile);
    CHECK(mistakes_in(import_tuned(profile.value()).yaml).empty());
  }
}
