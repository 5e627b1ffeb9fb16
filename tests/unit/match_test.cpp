// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/match.h"

#include "libtune/match_parser.h"
#include "tests/catch.h"

using namespace tuneshift;

namespace {

struct Parsed {
  std::optional<Match> match;
  std::string mistakes;
};

Parsed parse(const std::string& text) {
  Diagnostics found;
  FileMistakes mistakes("f", found);
  const auto root = parse_yaml("match: " + text, mistakes);
  Parsed parsed;
  if (root && root->keys.size() == 1) {
    parsed.match = parse_match(root->keys[0], root->items[0], mistakes);
  }
  for (const Diagnostic& mistake : found) parsed.mistakes += to_string(mistake) + "\n";
  return parsed;
}

Match match_of(const std::string& text) {
  const Parsed parsed = parse(text);
  INFO(parsed.mistakes);
  REQUIRE(parsed.match);
  return *parsed.match;
}

Machine machine() {
  Machine machine;
  machine.disks["nvme0n1"] = {"nvme", "Samsung SSD 990", "nvme", false, true, false};
  machine.disks["sda"] = {"sata", "WDC WD80", "sd", true, true, false};
  machine.memory_bytes = 64LL << 30;
  machine.cpu_vendor = "amd";
  machine.virtualization = "none";
  return machine;
}

}  // namespace

TEST_CASE("a condition on a disk holds for the disks it names") {
  const auto [text, nvme, sata] = GENERATE(table<const char*, bool, bool>({
      {"{transport: nvme}", true, false},
      {"{transport: [sata, nvme]}", true, true},
      {"{rotational: true}", false, true},
      {"{rotational: false}", true, false},
      {"{model: 'Samsung*'}", true, false},
      {"{model: 'WDC WD?0'}", false, true},
      {"{driver: sd}", false, true},
      {"{virtual: true}", false, false},
      {"{transport: nvme, rotational: true}", false, false},
      {"{file_system: ext4}", true, true},  // not the disk's business
  }));
  INFO(text);
  const Match match = match_of(text);
  CHECK(holds_for_disk(match, machine(), "nvme0n1") == nvme);
  CHECK(holds_for_disk(match, machine(), "sda") == sata);
  CHECK(holds_for_disk(match, machine(), "unknown") == !asks_for_disk(match));
}

TEST_CASE("a condition on the machine") {
  const auto [text, holds] = GENERATE(table<const char*, bool>({
      {"{memory: {at_least: 64GiB}}", true},
      {"{memory: {at_least: 65GiB}}", false},
      {"{memory: {at_least: 1GiB, at_most: 63GiB}}", false},
      {"{cpu_vendor: amd}", true},
      {"{cpu_vendor: [intel, arm]}", false},
      {"{virtualization: false}", true},
      {"{virtualization: true}", false},
      {"{virtualization: [kvm, none]}", true},
  }));
  INFO(text);
  CHECK(holds_for_machine(match_of(text), machine()) == holds);
  Machine guest = machine();
  guest.virtualization = "kvm";
  CHECK(holds_for_machine(match_of("{virtualization: true}"), guest));
  CHECK(holds_for_machine(match_of("{virtualization: kvm}"), guest));
  CHECK_FALSE(holds_for_machine(match_of("{virtualization: false}"), guest));
}

TEST_CASE("a file system's type covers its kinds") {
  const Match nfs = match_of("{file_system: nfs}");
  CHECK(holds_for_file_system(nfs, "nfs"));
  CHECK(holds_for_file_system(nfs, "nfs4"));
  CHECK_FALSE(holds_for_file_system(nfs, "nfsd"));
  CHECK_FALSE(holds_for_file_system(nfs, ""));
  const Match fuse = match_of("{file_system: [fuse, xfs]}");
  CHECK(holds_for_file_system(fuse, "fuse.gcsfuse"));
  CHECK(holds_for_file_system(fuse, "fuse"));
  CHECK(holds_for_file_system(fuse, "xfs"));
  CHECK_FALSE(holds_for_file_system(fuse, "fusectl"));
  CHECK(holds_for_file_system(Match(), "anything"));
}

TEST_CASE("mistakes in a match") {
  const auto [text, mistakes] = GENERATE(table<const char*, const char*>({
      {"x", "f:1:1: match takes a map of conditions\n"},
      {"{}", "f:1:1: match takes a map of conditions\n"},
      {"{rotatonal: true}", "f:1:9: unknown condition 'rotatonal', did you mean 'rotational'?\n"},
      {"{rotational: yes}", "f:1:9: 'rotational' takes true or false\n"},
      {"{transport: []}", "f:1:9: 'transport' takes a word, or a list of 1 to 32\n"},
      {"{model: [a, [b]]}", "f:1:20: 'model' takes words of at most 64 printable characters\n"},
      {"{memory: 5}", "f:1:9: 'memory' takes at_least, at_most or both\n"},
      {"{memory: {at_least: 5GB}}",
       "f:1:28: 'at_least' takes a size: bytes, or a number with KiB, MiB, GiB or TiB\n"},
      {"{memory: {at_least: 2GiB, at_most: 1GiB}}",
       "f:1:9: 'memory' has an at_least above its at_most\n"},
      {"{memory: {least: 2GiB}}", "f:1:18: unknown key 'least', did you mean 'at_least'?\n"},
  }));
  INFO(text);
  const Parsed parsed = parse(text);
  CHECK_FALSE(parsed.match);
  CHECK(parsed.mistakes == mistakes);
}
