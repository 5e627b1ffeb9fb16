// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/modules/module_loader.h"
#include "daemon/modules/module_names.h"
#include "tests/unit/kernel_tree.h"

using namespace tuneshift;
using namespace tuneshift::test;

namespace {

/// A folder of profiles and a configuration that nobody else may write.
struct Settings {
  explicit Settings(const std::string& mode)
      : tree{file("lib/a.yaml", "summary: a\nmodules: [nfs, dm-cache]\n"),
             file("etc/b.yaml", "summary: b\ninclude: a\nmodules: [cachefiles, nfs]\n"),
             file("tuneshift.yaml", "mode: " + mode + "\n")} {
    request.profiles = {tree.root() + "/lib", tree.root() + "/etc"};
    request.config = tree.root() + "/tuneshift.yaml";
  }
  KernelTree tree;
  ModuleRequest request;
};

}  // namespace

TEST_CASE("names on the command line are taken instead of the profiles'", "[modules]") {
  Settings settings("observe");
  settings.request.names = {"nfs", "8021q", "nvme_core", "nfs", std::string(55, 'a')};
  Diagnostics mistakes;
  const ModulePlan plan = modules_to_load(settings.request, mistakes);
  REQUIRE(plan.names ==
          std::vector<std::string>{"8021q", std::string(55, 'a'), "nfs", "nvme_core"});
  REQUIRE(plan.may_load);
  REQUIRE(mistakes.empty());
}

TEST_CASE("one name that cannot be a module's stops all", "[modules]") {
  for (const std::string& name :
       {std::string(), std::string(56, 'a'), std::string("../nfs"), std::string("nfs.ko"),
        std::string("pci:v*"), std::string("nfs "), std::string("-r"), std::string("a=b"),
        std::string("a\0b", 3), std::string("n\xc3\xa4")}) {
    CAPTURE(name);
    ModuleRequest request;
    request.names = {"nfs", name};
    Diagnostics mistakes;
    REQUIRE(modules_to_load(request, mistakes).names.empty());
    REQUIRE(mistakes.size() == 1);
  }
}

TEST_CASE("the modules of all profiles are loaded where anything may be changed", "[modules]") {
  for (const auto& [mode, may_load] : std::map<std::string, bool>{
           {"observe", false}, {"auto", true}, {"manual", true}, {"paused", false}}) {
    CAPTURE(mode);
    const Settings settings(mode);
    Diagnostics mistakes;
    const ModulePlan plan = modules_to_load(settings.request, mistakes);
    REQUIRE(plan.names == std::vector<std::string>{"cachefiles", "dm-cache", "nfs"});
    REQUIRE(plan.may_load == may_load);
    REQUIRE(mistakes.empty());
  }
}

TEST_CASE("a mistake in a profile or the configuration loads nothing", "[modules]") {
  const std::string where = GENERATE("etc/b.yaml", "tuneshift.yaml");
  const Settings settings("auto");
  settings.tree.set(where, "modules: 5\n");
  Diagnostics mistakes;
  REQUIRE(modules_to_load(settings.request, mistakes).names.empty());
  REQUIRE_FALSE(mistakes.empty());
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
