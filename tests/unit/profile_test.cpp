// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/profile.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "source_directory.h"
#include "tests/catch.h"
#include "tests/unit/operator_directory.h"

using namespace tuneshift;

namespace {

// "vm.swappiness=10@a.yaml:2:3", one a line, in order.
std::string print(const Profile& profile) {
  std::string text;
  for (const ProfileEntry& entry : profile.entries) {
    text += std::string(entry.kind->name) + "=";
    if (const auto* exactly = std::get_if<Exactly>(&entry.value)) text += exactly->text;
    text += "@" + entry.origin + "\n";
  }
  return text;
}

std::string mistakes_in(const std::string& profile) {
  OperatorDirectory directory;
  directory.write("x.yaml", profile);
  Diagnostics mistakes;
  read_profiles({directory.path()}, mistakes);
  return directory.print(mistakes);
}

const ValueSpec& value_of(const Profile& profile, std::string_view knob) {
  for (const ProfileEntry& entry : profile.entries) {
    if (entry.kind->name == knob) return entry.value;
  }
  throw std::runtime_error("no entry for " + std::string(knob));
}

}  // namespace

TEST_CASE("a profile is read with where each line was written") {
  OperatorDirectory directory;
  directory.write("a.yaml",
                  "summary: For tests\n"
                  "sysctl:\n"
                  "  vm.swappiness: 10\n"
                  "block:\n"
                  "  queue/scheduler: none\n"
                  "thp:\n");
  Diagnostics mistakes;
  const Profiles profiles = read_profiles({directory.path()}, mistakes);
  CHECK(directory.print(mistakes).empty());
  REQUIRE(profiles.count("a") == 1);
  CHECK(profiles.at("a").name == "a");
  CHECK(profiles.at("a").summary == "For tests");
  CHECK(print(profiles.at("a")) ==
        "vm.swappiness=10@a.yaml:3:3\n"
        "queue/scheduler=none@a.yaml:5:3\n");
}

TEST_CASE("all mistakes of a profile come at once, in order, with suggestions") {
  CHECK(mistakes_in("sysctrl: {}\n"
                    "sumary: x\n"
                    "sysctl:\n"
                    "  vm.swapiness: 10\n"
                    "  vm.swappiness: ten\n"
                    "  vm.swappiness: 10\n"
                    "  queue/scheduler: none\n"
                    "bdi: 4096\n"
                    "wat: 1\n") ==
        "x.yaml:1:1: unknown section 'sysctrl', did you mean 'sysctl'?\n"
        "x.yaml:2:1: unknown key 'sumary', did you mean 'summary'?\n"
        "x.yaml:4:3: unknown knob 'vm.swapiness', did you mean 'vm.swappiness'?\n"
        "x.yaml:5:18: 'vm.swappiness' takes a whole number, not 'ten'\n"
        "x.yaml:6:3: duplicate key 'vm.swappiness', first on line 5\n"
        "x.yaml:7:3: unknown knob 'queue/scheduler' in 'sysctl': it belongs to 'block'\n"
        "x.yaml:8:1: section 'bdi' takes a map of knobs\n"
        "x.yaml:9:1: unknown key 'wat': known are summary, include, match, drop, rules, modules, "
        "sysctl, block, bdi, fuse, thp, cpu, pm_qos, cgroup, lru_gen and debugfs\n");
}

TEST_CASE("a hostile name stays readable in its message") {
  CHECK(mistakes_in("sysctl: {\"a\\e[2J\\u202e\": 1}\n") ==
        "x.yaml:1:10: unknown knob 'a\\x1b[2J\\xe2\\x80\\xae'\n");
  CHECK(mistakes_in("sysctl: {" + std::string(900, 'v') + ": 1}\n") ==
        "x.yaml:1:10: unknown knob '" + std::string(64, 'v') + "…'\n");
}

TEST_CASE("a file that is no profile is a mistake") {
  CHECK(mistakes_in("") == "x.yaml: the file is empty\n");
  CHECK(mistakes_in("# only a comment\n") == "x.yaml: the file is empty\n");
  CHECK(mistakes_in("- a\n") == "x.yaml:1:1: a profile is a map of sections\n");
  CHECK(mistakes_in("hello\n") == "x.yaml:1:1: a profile is a map of sections\n");
  CHECK(mistakes_in("sysctl: [\n") ==
        "x.yaml:1:9: not valid YAML: end of sequence flow not found\n");
}

TEST_CASE("a summary is one line") {
  const char* rule = "x.yaml:1:1: summary takes one line of at most 200 bytes\n";
  CHECK(mistakes_in("summary: [a]\n") == rule);
  CHECK(mistakes_in("summary: \"a\\nb\"\n") == rule);
  CHECK(mistakes_in("summary:\n") == rule);
  CHECK(mistakes_in("summary: " + std::string(201, 'a') + "\n") == rule);
  CHECK(mistakes_in("summary: " + std::string(200, 'a') + "\n").empty());
}

TEST_CASE("an included profile is overridden by its includer") {
  OperatorDirectory directory;
  directory.write("base.yaml", "sysctl: {vm.swappiness: 1, vm.vfs_cache_pressure: 50}\n");
  directory.write("more.yaml", "include: base\nsysctl: {vm.vfs_cache_pressure: 60}\n");
  directory.write("a.yaml",
                  "include: [base, more]\n"
                  "sysctl:\n"
                  "  vm.swappiness: 10\n"
                  "  kernel.numa_balancing: 0\n");
  Diagnostics mistakes;
  const Profiles profiles = read_profiles({directory.path()}, mistakes);
  CHECK(directory.print(mistakes).empty());
  CHECK(print(profiles.at("a")) ==
        "vm.vfs_cache_pressure=60@more.yaml:2:10\n"
        "vm.swappiness=10@a.yaml:3:3\n"
        "kernel.numa_balancing=0@a.yaml:4:3\n");
  CHECK(print(profiles.at("base")) ==
        "vm.swappiness=1@base.yaml:1:10\n"
        "vm.vfs_cache_pressure=50@base.yaml:1:28\n");
}

TEST_CASE("drop-ins of all folders change a profile in the order of their names") {
  OperatorDirectory vendor;
  OperatorDirectory operators;
  vendor.write("a.yaml", "sysctl: {vm.swappiness: 1, vm.stat_interval: 2}\nmodules: [nfs]\n");
  std::filesystem::create_directory(vendor.file("a.yaml.d"));
  std::filesystem::create_directory(operators.file("a.yaml.d"));
  vendor.write("a.yaml.d/50-b.yaml", "sysctl: {vm.swappiness: 5}\n");
  vendor.write("a.yaml.d/60-c.yaml", "sysctl: {vm.swappiness: 6}\n");
  operators.write("a.yaml.d/60-c.yaml", "modules: [bcache]\n");  // instead of the vendor's
  operators.write("a.yaml.d/70-d.yaml", "drop: {sysctl: [vm.stat_interval]}\n");
  Diagnostics mistakes;
  const Profiles profiles = read_profiles({vendor.path(), operators.path()}, mistakes);
  CHECK(vendor.print(mistakes).empty());
  CHECK(print(profiles.at("a")) == "vm.swappiness=5@a.yaml.d/50-b.yaml:1:10\n");
  CHECK(profiles.at("a").modules == std::vector<std::string>{"bcache", "nfs"});
  operators.write("a.yaml.d/80-e.yaml", "include: a\nsummary: x\n");
  read_profiles({vendor.path(), operators.path()}, mistakes);
  CHECK(operators.print(mistakes) ==
        "a.yaml.d/80-e.yaml:1:1: a drop-in takes no include\n"
        "a.yaml.d/80-e.yaml:2:1: a drop-in takes no summary\n");
}

TEST_CASE("a drop-in folder that others may write is refused") {
  OperatorDirectory directory;
  directory.write("a.yaml", "summary: a\n");
  std::filesystem::create_directory(directory.file("a.yaml.d"));
  directory.mode("a.yaml.d", 0777);
  Diagnostics mistakes;
  read_profiles({directory.path()}, mistakes);
  CHECK(directory.print(mistakes) == "a.yaml.d: may be written by others than its owner\n");
}

TEST_CASE("an unconditional line replaces conditional ones before it, a later rule follows it") {
  OperatorDirectory directory;
  directory.write("base.yaml",
                  "rules: [{match: {rotational: true}, sysctl: {vm.swappiness: 1}}]\n");
  directory.write("a.yaml", "include: base\nsysctl: {vm.swappiness: 2}\n");
  directory.write("b.yaml",
                  "rules: [{match: {rotational: true}, sysctl: {vm.swappiness: 3}}]\n"
                  "sysctl: {vm.swappiness: 2}\n");
  Diagnostics mistakes;
  const Profiles profiles = read_profiles({directory.path()}, mistakes);
  CHECK(print(profiles.at("a")) == "vm.swappiness=2@a.yaml:2:10\n");
  CHECK(print(profiles.at("b")) ==
        "vm.swappiness=2@b.yaml:2:10\n"
        "vm.swappiness=3@b.yaml:1:46\n");
}

TEST_CASE("mistakes in rules, drops, units and modules") {
  CHECK(mistakes_in("rules: {}\n") == "x.yaml:1:1: rules takes a list of at most 64 rules\n");
  CHECK(mistakes_in("rules: [{sysctl: {vm.swappiness: 1}}]\n") ==
        "x.yaml:1:9: a rule is a map with a match and sections\n");
  CHECK(mistakes_in("rules: [{match: {virtual: true}, include: a, sysctl: {vm.swapiness: 1}}]\n") ==
        "x.yaml:1:34: unknown key 'include': known are match, drop, sysctl, block, bdi, fuse, thp, "
        "cpu, pm_qos, cgroup, lru_gen and debugfs\n"
        "x.yaml:1:55: unknown knob 'vm.swapiness', did you mean 'vm.swappiness'?\n");
  CHECK(mistakes_in("drop: [vm.swappiness]\n") ==
        "x.yaml:1:1: drop takes a map of sections with lists of knobs\n");
  CHECK(mistakes_in("drop: {sysctl: vm.swappiness, block: [vm.swappiness], cgroup: [a]}\n") ==
        "x.yaml:1:8: 'sysctl' takes a list of knobs\n"
        "x.yaml:1:39: unknown knob 'vm.swappiness' in 'block': it belongs to 'sysctl'\n"
        "x.yaml:1:55: 'cgroup' takes a map of units with lists of knobs\n");
  CHECK(mistakes_in("cgroup: {cpu.weight: 5, ../a.service: {cpu.weight: 5}, a.slice: 5}\n") ==
        "x.yaml:1:10: 'cpu.weight' is no name of a unit: NAME.service, NAME.slice or NAME.scope\n"
        "x.yaml:1:25: '../a.service' is no name of a unit: NAME.service, NAME.slice or NAME.scope\n"
        "x.yaml:1:56: unit 'a.slice' takes a map of knobs\n");
  CHECK(mistakes_in("modules: [nfs, '../evil', 'a b']\n") ==
        "x.yaml:1:16: '../evil' is no name of a module: 1 to 55 of letters, digits, '_', '-'\n"
        "x.yaml:1:27: 'a b' is no name of a module: 1 to 55 of letters, digits, '_', '-'\n");
  CHECK(
      mistakes_in("sysctl: {vm.nr_hugepages: 5}\n") ==
      "x.yaml:1:10: 'vm.nr_hugepages' is not switched on a running machine: reserve huge pages at "
      "boot, before memory is fragmented: hugepages=N\n");
}

TEST_CASE("includes that lead nowhere or in circles are mistakes") {
  OperatorDirectory directory;
  directory.write("a.yaml", "include:\n  - b\n  - bases\n  - ../etc/passwd\n  - b\n");
  directory.write("b.yaml", "include: c\n");
  directory.write("base.yaml", "summary: base\n");
  directory.write("c.yaml", "include: a\n");
  directory.write("d.yaml", "include: d\n");
  directory.write("e.yaml", "include: {a: b}\n");
  directory.write("f.yaml", "include: [[a]]\n");
  Diagnostics mistakes;
  read_profiles({directory.path()}, mistakes);
  CHECK(directory.print(mistakes) ==
        "a.yaml:3:5: unknown profile 'bases', did you mean 'base'?\n"
        "a.yaml:4:5: '../etc/passwd': a profile's name is 1 to 64 of a-z, 0-9, '-' and '_', "
        "a letter or digit first\n"
        "a.yaml:5:5: profile 'b' is included twice\n"
        "c.yaml:1:10: include cycle: a includes b includes c includes a\n"
        "d.yaml:1:10: include cycle: d includes d\n"
        "e.yaml:1:1: include takes the name of a profile, or a list of names\n"
        "f.yaml:1:11: include takes the name of a profile, or a list of names\n");
}

TEST_CASE("a later folder overrides an earlier one by file name") {
  OperatorDirectory vendor;
  OperatorDirectory operators;
  vendor.write("base.yaml", "sysctl: {vm.swappiness: 1}\n");
  vendor.write("a.yaml", "include: base\n");
  vendor.write("broken.yaml", "sysctl: 1\n");
  operators.write("base.yaml", "sysctl: {vm.swappiness: 2}\n");
  operators.write("broken.yaml", "summary: repaired\n");
  Diagnostics mistakes;
  const Profiles profiles =
      read_profiles({vendor.path(), operators.path() + "/none", operators.path()}, mistakes);
  CHECK(vendor.print(mistakes).empty());
  CHECK(profiles.size() == 3);
  CHECK(print(profiles.at("a")) == "vm.swappiness=2@base.yaml:1:10\n");
  CHECK(profiles.at("broken").summary == "repaired");
}

TEST_CASE("files that cannot be trusted are mistakes, each by itself") {
  OperatorDirectory directory;
  directory.write("a.yaml", "summary: a\n");
  directory.mode("a.yaml", 0666);
  directory.write("b.yaml", "sysctl: 1\n");
  directory.write("big.yaml", "#" + std::string(256 << 10, ' '));
  directory.write("c.yaml", "include: a\n");
  directory.write("Upper.yaml", "");
  directory.write("notes.txt", "not ours");
  directory.write(".c.yaml", "not ours");
  REQUIRE(mkfifo(directory.file("fifo.yaml").c_str(), 0600) == 0);
  REQUIRE(symlink("c.yaml", directory.file("link.yaml").c_str()) == 0);
  Diagnostics mistakes;
  read_profiles({directory.path()}, mistakes);
  CHECK(directory.print(mistakes) ==
        "Upper.yaml: a profile's name is 1 to 64 of a-z, 0-9, '-' and '_', a letter or digit "
        "first\n"
        "a.yaml: may be written by others than its owner\n"
        "b.yaml:1:1: section 'sysctl' takes a map of knobs\n"
        "big.yaml: larger than 256 KiB\n"
        "fifo.yaml: is not a regular file\n"
        "link.yaml: is a symbolic link\n");

  directory.mode("", 0777);
  mistakes.clear();
  CHECK(read_profiles({directory.path()}, mistakes).empty());
  CHECK(directory.print(mistakes) == "DIR: may be written by others than its owner\n");
}

TEST_CASE("at most 256 profiles are read") {
  OperatorDirectory directory;
  OperatorDirectory second;
  for (int i = 0; i < 256; ++i) directory.write("p" + std::to_string(i) + ".yaml", "summary: p\n");
  second.write("p0.yaml", "summary: q\n");
  Diagnostics mistakes;
  CHECK(read_profiles({directory.path(), second.path()}, mistakes).size() == 256);
  CHECK(directory.print(mistakes).empty());
  second.write("one-more.yaml", "summary: q\n");
  read_profiles({directory.path(), second.path()}, mistakes);
  CHECK(directory.print(mistakes) == "p99.yaml: more than 256 profiles and drop-ins\n");
  directory.write("one-more.yaml", "summary: q\n");
  mistakes.clear();
  read_profiles({directory.path()}, mistakes);
  CHECK(directory.print(mistakes) == "DIR: more than 256 files\n");
}

TEST_CASE("the shipped profiles are right") {
  // Copied: who owns a checkout is not the point.
  OperatorDirectory directory;
  for (const char* name : {"throughput.yaml", "latency.yaml"}) {
    std::ifstream file(source_directory() / "profiles" / name);
    REQUIRE(file);
    directory.write(name, {std::istreambuf_iterator<char>(file), {}});
  }
  Diagnostics mistakes;
  const Profiles profiles = read_profiles({directory.path()}, mistakes);
  CHECK(directory.print(mistakes).empty());
  const Profile& throughput = profiles.at("throughput");
  CHECK_FALSE(throughput.summary.empty());
  CHECK(value_of(throughput, "queue/read_ahead_kb") ==
        ValueSpec(Bounds{Amount{4096, {}, {}}, std::nullopt}));
  CHECK(value_of(throughput, "vm.min_free_kbytes") ==
        ValueSpec(Share{Amount{0, 0.5, {}}, {}, Amount{1048576, {}, {}}, Direction::raise}));
  CHECK(value_of(throughput, "queue/scheduler") ==
        ValueSpec(FirstOf{{"none", "mq-deadline", "kyber"}}));
  const Profile& latency = profiles.at("latency");
  CHECK_FALSE(latency.summary.empty());
  CHECK(value_of(latency, "enabled") == ValueSpec(Exactly{"madvise"}));
  CHECK(value_of(latency, "vm.stat_interval") == ValueSpec(Exactly{"10"}));
}
