// SPDX-License-Identifier: LGPL-2.1-or-later
// Lines of the journal that find no room, and what a later process makes of the file.
#include "libtune/journal_record.h"
#include "tests/catch.h"
#include "tests/unit/applier_rig.h"
#include "tests/unit/full_disk.h"

using namespace tuneshift;
using namespace tuneshift::test;

namespace {

const std::string kMinFree = "proc/sys/vm/min_free_kbytes";
const Desired kOther = {{"vm.swappiness", want(exactly("10"))}};

/// A hold of thp/enabled while which the disk is full: its guard and its intent found room, no
/// later line does.
void hold_on_full_disk(Rig& rig, const Desired& beside) {
  std::optional<FullDisk> full;
  rig.kernel.on_write(kThpEnabled, [&](const std::string&, const std::string&) {
    if (!full) full.emplace(rig.run.text("journal").size());
  });
  Desired desired = beside;
  desired.emplace("thp/enabled", want(exactly("always")));
  rig.converge(desired);
  REQUIRE(full);
  rig.converge(beside);
  CHECK(rig.shown(kThpEnabled) == "always [madvise] never");
  rig.kernel.on_write(kThpEnabled, [](const std::string&, const std::string&) {});
}

}  // namespace

TEST_CASE("a hold that ends on a full disk leaves nothing in the journal") {
  Rig rig;
  hold_on_full_disk(rig, {});
  CHECK(rig.run.text("journal").empty());
  CHECK(rig.tree.snapshot() == rig.before);
}

TEST_CASE("what was settled on a full disk is not put back later") {
  Rig rig;
  rig.converge(kOther);
  hold_on_full_disk(rig, kOther);
  rig.kernel.put(kMinFree, "262144\n");
  SECTION("by the same process") {}
  SECTION("by the next one, after a kill") {
    rig.converge(kOther);
    rig.start();
  }
  SECTION("by the next one, after an upgrade") {
    const auto knobs = rig.applier->hand_over();
    rig.start();
    REQUIRE(rig.applier->adopt(knobs));
    rig.start();
  }
  CHECK(summary(rig.applier->restore_all()) == "restored vm.swappiness 10 -> 60\n");
  CHECK(rig.shown(kMinFree) == "262144");
  CHECK(rig.run.text("journal").empty());
}

TEST_CASE("a value that was given up on a full disk is not taken back by an upgrade") {
  Rig rig;
  rig.converge(kOther);
  rig.kernel.put(kSwappiness, "33\n");
  {
    const FullDisk full(rig.run.text("journal").size());
    CHECK(rig.applier->verify().at(0).kind == ChangeKind::yielded);
  }
  rig.kernel.put(kSwappiness, "10\n");  // theirs, equal to ours by chance
  const auto knobs = rig.applier->hand_over();
  rig.start();
  REQUIRE(rig.applier->adopt(knobs));
  CHECK(rig.applier->restore_all().empty());
  CHECK(rig.shown(kSwappiness) == "10");
}

TEST_CASE("the journal keeps all lines but intents until there is room") {
  const KernelTree run{};
  Journal journal = Journal::open(run.root(), 0).value();
  REQUIRE(journal.append_intent("vm.swappiness", "60", "10"));
  REQUIRE(journal.append_guard("vm.min_free_kbytes", "67584"));
  const std::string before = run.text("journal");
  {
    const FullDisk full(before.size());
    CHECK_FALSE(journal.append_restored("vm.min_free_kbytes"));
    CHECK_FALSE(journal.append_confirm("vm.swappiness", "12"));
    CHECK_FALSE(journal.append_confirm("vm.swappiness", "10"));
    CHECK_FALSE(journal.append_intent("vm.stat_interval", "1", "10"));
    CHECK_FALSE(journal.append_captured("vm.dirty_ratio", "10", "20"));
    CHECK_FALSE(journal.write_kept());
  }
  CHECK(run.text("journal") == before);
  const auto check = [](const JournalContents& contents) {
    CHECK(contents.problems.empty());
    REQUIRE(contents.entries.size() == 1);
    CHECK(contents.entries[0].knob == "vm.swappiness");
    CHECK(contents.entries[0].ours == std::vector<std::string>{"10"});
    CHECK(contents.captures.size() == 1);
  };
  check(journal.read());
  REQUIRE(journal.write_kept());
  check(journal.read());
  check(fold_records(run.text("journal")));
  const std::string after = run.text("journal");
  REQUIRE(journal.write_kept());
  CHECK(run.text("journal") == after);
}

TEST_CASE("an entry whose end was lost is over when another original is known") {
  const KernelTree run{};
  Journal journal = Journal::open(run.root(), 0).value();
  REQUIRE(journal.append_intent("vm.swappiness", "60", "10"));
  REQUIRE(journal.append_confirm("vm.swappiness", "10"));
  REQUIRE(journal.append_intent("vm.swappiness", "30", "20"));
  REQUIRE(journal.append_guard("vm.min_free_kbytes", "67584"));
  REQUIRE(journal.append_guard("vm.min_free_kbytes", "100000"));
  const auto entries = journal.read().entries;
  REQUIRE(entries.size() == 2);
  CHECK(entries[0].original == "30");
  CHECK(entries[0].ours == std::vector<std::string>{"20"});
  CHECK(entries[1].original == "100000");
}
