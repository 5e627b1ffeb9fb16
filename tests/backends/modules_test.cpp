// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/modules/module_loader.h"
#include "daemon/modules/module_names.h"
#include "tests/unit/kernel_tree.h"

using namespace tuneshift;
using namespace tuneshift::test;

TEST_CASE("a module's name is letters, digits, dashes and underscores", "[modules]") {
  for (const std::string name : {"nfs", "nvme_core", "dm-cache", "8021q", "x"}) {
    CAPTURE(name);
    REQUIRE(check_module_name(name).ok());
  }
  REQUIRE(check_module_name(std::string(55, 'a')).ok());
  for (const std::string& name :
       {std::string(), std::string(56, 'a'), std::string("../nfs"), std::string("nfs.ko"),
        std::string("pci:v*"), std::string("nfs "), std::string("-r"), std::string("a=b"),
        std::string("a\0b", 3), std::string("n\xc3\xa4")}) {
    CAPTURE(name);
    REQUIRE(check_module_name(name).error().code == ErrorCode::invalid_argument);
  }
}

TEST_CASE("each module is named once, and one mistake stops all", "[modules]") {
  REQUIRE(modules_to_load({{"nfs", "dm-cache", "nfs"}}).value() ==
          std::vector<std::string>{"nfs", "dm-cache"});
  REQUIRE(modules_to_load({}).value().empty());
  const auto mistake = modules_to_load({{"nfs", "a b"}});
  REQUIRE(mistake.error().message.find("'a b'") != std::string::npos);
}

TEST_CASE("what the index of modules lacks is unknown", "[modules]") {
  const KernelTree tree{directory("empty")};
  auto loader = ModuleLoader::open(tree.root() + "/empty");
  REQUIRE(loader.ok());
  REQUIRE(loader.value().load("no_such_module").state == ModuleState::unknown);
}

TEST_CASE("what is a part of the kernel need not be loaded", "[modules]") {
  const KernelTree tree{file("lib/modules/6.1.0/modules.builtin", "kernel/fs/ext4/ext4_test.ko\n"),
                        file("lib/modules/6.1.0/modules.order", "")};
  REQUIRE(std::system(("/sbin/depmod --basedir " + tree.root() + " 6.1.0 2>/dev/null").c_str()) ==
          0);
  auto loader = ModuleLoader::open(tree.root() + "/lib/modules/6.1.0");
  REQUIRE(loader.value().load("ext4_test").state == ModuleState::built_in);
  REQUIRE(loader.value().load("ext4-test").state == ModuleState::built_in);
  REQUIRE(loader.value().load("ext5_test").state == ModuleState::unknown);
}

TEST_CASE("a module that cannot be loaded says why", "[modules]") {
  const KernelTree tree{file("lib/modules/6.1.0/modules.dep", "kernel/broken_test.ko:\n"),
                        file("lib/modules/6.1.0/kernel/broken_test.ko", "no module\n"),
                        file("lib/modules/6.1.0/modules.order", "")};
  REQUIRE(std::system(("/sbin/depmod --basedir " + tree.root() + " 6.1.0 2>/dev/null").c_str()) ==
          0);
  auto loader = ModuleLoader::open(tree.root() + "/lib/modules/6.1.0");
  const ModuleOutcome outcome = loader.value().load("broken_test");
  CAPTURE(outcome.why);
  REQUIRE(outcome.state == ModuleState::failed);
  REQUIRE_FALSE(outcome.why.empty());
}
