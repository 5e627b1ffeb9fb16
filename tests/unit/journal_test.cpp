// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/journal.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <optional>

#include "libtune/journal_record.h"
#include "tests/catch.h"
#include "tests/unit/full_disk.h"
#include "tests/unit/kernel_tree.h"

using namespace tuneshift;
using namespace tuneshift::test;

using Texts = std::vector<std::string>;

namespace {

Journal open_journal(const KernelTree& run) {
  auto journal = Journal::open(run.root(), 0);
  if (!journal) throw std::runtime_error(journal.error().message);
  return std::move(journal).value();
}

JournalEntry only_entry(const Journal& journal) {
  const JournalContents contents = journal.read();
  CHECK(contents.problems.empty());
  REQUIRE(contents.entries.size() == 1);
  return contents.entries[0];
}

}  // namespace

TEST_CASE("the journal says what may be in force after each step") {
  const KernelTree run{};
  Journal journal = open_journal(run);
  REQUIRE(journal.append_intent("vm.swappiness", "60", "10"));
  JournalEntry entry = only_entry(journal);
  CHECK(entry.original == "60");
  CHECK(entry.ours == Texts{"10"});
  CHECK(entry.unconfirmed);

  REQUIRE(journal.append_confirm("vm.swappiness", "12"));
  entry = only_entry(journal);
  CHECK(entry.ours == Texts{"12"});
  CHECK_FALSE(entry.unconfirmed);

  REQUIRE(journal.append_intent("vm.swappiness", "60", "20"));
  entry = only_entry(journal);
  CHECK(entry.original == "60");
  CHECK(entry.ours == Texts{"12", "20"});
  CHECK(entry.unconfirmed);

  REQUIRE(journal.append_abort("vm.swappiness"));
  entry = only_entry(journal);
  CHECK(entry.ours == Texts{"12"});
  CHECK_FALSE(entry.unconfirmed);

  REQUIRE(journal.append_restored("vm.swappiness"));
  CHECK(journal.read().entries.empty());
}

TEST_CASE("an aborted first intent leaves nothing") {
  const KernelTree run{};
  Journal journal = open_journal(run);
  REQUIRE(journal.append_intent("vm.swappiness", "60", "10"));
  REQUIRE(journal.append_abort("vm.swappiness"));
  CHECK(journal.read().entries.empty());
}

TEST_CASE("a guard holds until the knob's next record") {
  const KernelTree run{};
  Journal journal = open_journal(run);
  REQUIRE(journal.append_guard("block/vda/queue/nr_requests", "64"));
  JournalEntry entry = only_entry(journal);
  CHECK(entry.guarded);
  CHECK(entry.original == "64");
  REQUIRE(journal.append_confirm("block/vda/queue/nr_requests", "256"));
  entry = only_entry(journal);
  CHECK_FALSE(entry.guarded);
  CHECK(entry.ours == Texts{"256"});
}

TEST_CASE("a yielded knob starts anew with the next intent") {
  const KernelTree run{};
  Journal journal = open_journal(run);
  REQUIRE(journal.append_intent("vm.swappiness", "60", "10"));
  REQUIRE(journal.append_yielded("vm.swappiness"));
  CHECK(only_entry(journal).yielded);
  CHECK(only_entry(journal).ours.empty());
  REQUIRE(journal.append_intent("vm.swappiness", "33", "10"));
  CHECK(only_entry(journal).original == "33");
  CHECK_FALSE(only_entry(journal).yielded);
}

TEST_CASE("only an intent is aborted, and only once") {
  const KernelTree run{};
  Journal journal = open_journal(run);
  REQUIRE(journal.append_guard("vm.swappiness", "60"));
  REQUIRE(journal.append_confirm("vm.swappiness", "10"));
  REQUIRE(journal.append_intent("vm.swappiness", "60", "20"));
  REQUIRE(journal.append_intent("vm.swappiness", "60", "30"));
  for (int i = 0; i < 3; ++i) REQUIRE(journal.append_abort("vm.swappiness"));
  const JournalContents contents = journal.read();
  REQUIRE(contents.entries.size() == 1);
  CHECK(contents.entries[0].ours == Texts{"10"});  // it was seen in the kernel
  CHECK_FALSE(contents.entries[0].unconfirmed);
  CHECK(contents.problems == Texts{"journal line 7 does not belong there"});
}

TEST_CASE("nothing of a yielded knob is confirmed") {
  const KernelTree run{};
  Journal journal = open_journal(run);
  REQUIRE(journal.append_intent("vm.swappiness", "60", "10"));
  REQUIRE(journal.append_yielded("vm.swappiness"));
  REQUIRE(journal.append_confirm("vm.swappiness", "10"));
  const JournalContents contents = journal.read();
  REQUIRE(contents.entries.size() == 1);
  CHECK(contents.entries[0].yielded);
  CHECK(contents.entries[0].ours.empty());
  CHECK(contents.problems == Texts{"journal line 3 does not belong there"});
}

TEST_CASE("any bytes survive, in order, and across processes") {
  const KernelTree run{};
  const std::string odd = "a\tb\nc\\d\x7f \xff";
  {
    Journal journal = open_journal(run);
    REQUIRE(journal.append_intent("z", odd, odd));
    REQUIRE(journal.append_intent("a", "1", "2"));
  }
  const JournalContents contents = open_journal(run).read();
  REQUIRE(contents.entries.size() == 2);
  CHECK(contents.entries[0].knob == "z");
  CHECK(contents.entries[0].original == odd);
  CHECK(contents.entries[0].ours == Texts{odd});
}

TEST_CASE("a torn tail costs only itself, at every length") {
  const KernelTree run{};
  {
    Journal journal = open_journal(run);
    REQUIRE(journal.append_intent("vm.swappiness", "60", "10"));
    REQUIRE(journal.append_confirm("vm.swappiness", "10"));
  }
  const std::string whole = run.text("journal");
  const size_t first = whole.find('\n') + 1;
  for (size_t length = 0; length <= whole.size(); ++length) {
    run.set("journal", whole.substr(0, length));
    Journal journal = open_journal(run);
    const JournalContents contents = journal.read();
    INFO(length);
    CHECK(contents.problems.empty());
    REQUIRE(contents.entries.size() == (length >= first ? 1 : 0));
    if (length >= first) CHECK(contents.entries[0].unconfirmed == (length < whole.size()));
    // What is appended next stands on a line of its own.
    REQUIRE(journal.append_intent("kernel.nmi_watchdog", "1", "0"));
    CHECK(journal.read().problems.empty());
    CHECK(journal.read().entries.back().knob == "kernel.nmi_watchdog");
  }
}

TEST_CASE("a damaged line is told and skipped, wherever a bit flips") {
  const KernelTree run{};
  {
    Journal journal = open_journal(run);
    REQUIRE(journal.append_intent("vm.swappiness", "60", "10"));
    REQUIRE(journal.append_intent("kernel.nmi_watchdog", "1", "0"));
  }
  const std::string whole = run.text("journal");
  for (size_t i = 0; i + 1 < whole.find('\n'); ++i) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    run.set("journal", damaged);
    const JournalContents contents = open_journal(run).read();
    INFO(i);
    CHECK_FALSE(contents.problems.empty());
    REQUIRE(contents.entries.size() == 1);
    CHECK(contents.entries[0].knob == "kernel.nmi_watchdog");
  }
}

TEST_CASE("foreign text in the journal is never taken for a record") {
  const KernelTree run{file("journal", "hello\n\n\t\t\n00000000 \n00000000 intent\ta\tb\tc\n")};
  const JournalContents contents = open_journal(run).read();
  CHECK(contents.entries.empty());
  CHECK(contents.problems.size() == 5);
}

TEST_CASE("one process at a time keeps the journal") {
  const KernelTree run{};
  std::optional<Journal> first = open_journal(run);
  CHECK(Journal::open(run.root(), 0).error().code == ErrorCode::busy);
  CHECK(Journal::open(run.root(), 30).error().code == ErrorCode::busy);
  first.reset();
  CHECK(Journal::open(run.root(), 0));
}

TEST_CASE("the lock of a killed process is had as soon as it is dead") {
  const KernelTree run{};
  int ready[2];
  REQUIRE(::pipe2(ready, O_CLOEXEC) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const auto journal = Journal::open(run.root(), 0);
    if (journal.ok() && ::write(ready[1], "x", 1) == 1) ::pause();
    ::_exit(1);
  }
  char byte = 0;
  ::close(ready[1]);
  const bool locked = ::read(ready[0], &byte, 1) == 1;
  ::close(ready[0]);
  const auto taken = Journal::open(run.root(), 0);
  ::kill(child, SIGKILL);
  const auto waited = Journal::open(run.root(), 10000);
  ::waitpid(child, nullptr, 0);
  CHECK(locked);
  CHECK_FALSE(taken);
  CHECK(waited);
}

TEST_CASE("a journal that others could have written is refused") {
  const KernelTree run{file("elsewhere/journal", ""),
                       symbolic_link("linked", "elsewhere"),
                       symbolic_link("file/journal", "../elsewhere/journal"),
                       file("open/journal", ""),
                       directory("shared"),
                       directory("fifo"),
                       file("owned/journal", "")};
  const auto code = [&run](const std::string& name) {
    const auto journal = Journal::open(run.root() + "/" + name, 0);
    return journal ? ErrorCode::io : journal.error().code;
  };
  REQUIRE(::chmod((run.root() + "/open/journal").c_str(), 0622) == 0);
  REQUIRE(::chmod((run.root() + "/shared").c_str(), 01777) == 0);
  REQUIRE(::mkfifo((run.root() + "/fifo/journal").c_str(), 0600) == 0);
  CHECK(code("linked") == ErrorCode::permission);
  CHECK(code("file") == ErrorCode::permission);
  CHECK(code("open") == ErrorCode::permission);
  CHECK(code("shared") == ErrorCode::permission);
  CHECK(code("fifo") == ErrorCode::permission);
  if (::geteuid() == 0) {
    REQUIRE(::chown((run.root() + "/owned/journal").c_str(), 12345, 12345) == 0);
    CHECK(code("owned") == ErrorCode::permission);
  }
  CHECK(code("none/deeper") == ErrorCode::not_found);
}

TEST_CASE("the journal is for its owner alone") {
  const KernelTree run{};
  const Journal journal = open_journal(run);
  struct stat info = {};
  REQUIRE(::stat((run.root() + "/journal").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
}

TEST_CASE("only a settled journal is cleared") {
  const KernelTree run{};
  Journal journal = open_journal(run);
  REQUIRE(journal.append_intent("vm.swappiness", "60", "10"));
  CHECK(journal.clear().error().code == ErrorCode::busy);
  REQUIRE(journal.append_yielded("vm.swappiness"));
  REQUIRE(journal.clear());
  CHECK(run.text("journal").empty());
}

TEST_CASE("a journal that grows is rewritten with all it proves, and stays locked") {
  const KernelTree run{};
  Journal journal = open_journal(run);
  REQUIRE(journal.append_intent("guarded", "1", "2"));
  REQUIRE(journal.append_confirm("guarded", "2"));
  REQUIRE(journal.append_guard("guarded", "1"));
  REQUIRE(journal.append_intent("yielded", "1", "2"));
  REQUIRE(journal.append_yielded("yielded"));
  REQUIRE(journal.append_intent("pending", "1", "2"));
  REQUIRE(journal.append_confirm("pending", "2"));
  REQUIRE(journal.append_intent("pending", "1", "3"));
  const JournalContents before = journal.read();
  const std::string value(1000, 'v');
  for (int i = 0; i < 1000; ++i) {
    REQUIRE(journal.append_intent("busy", "1", value));
    REQUIRE(journal.append_confirm("busy", value));
  }
  CHECK(run.text("journal").size() < 300 * 1024);
  const JournalContents after = journal.read();
  REQUIRE(after.problems.empty());
  REQUIRE(after.entries.size() == before.entries.size() + 1);
  for (size_t i = 0; i < before.entries.size(); ++i) {
    INFO(before.entries[i].knob);
    CHECK(after.entries[i].knob == before.entries[i].knob);
    CHECK(after.entries[i].original == before.entries[i].original);
    CHECK(after.entries[i].ours == before.entries[i].ours);
    CHECK(after.entries[i].unconfirmed == before.entries[i].unconfirmed);
    CHECK(after.entries[i].guarded == before.entries[i].guarded);
    CHECK(after.entries[i].yielded == before.entries[i].yielded);
  }
  CHECK(Journal::open(run.root(), 0).error().code == ErrorCode::busy);
}

TEST_CASE("the journal keeps which device a value was for") {
  const KernelTree directory{};
  const std::string knob = "bdi/0:44/read_ahead_kb";
  Journal journal = Journal::open(directory.root(), 0).value();
  REQUIRE(journal.append_intent(knob, "128", "4096", "9001"));
  REQUIRE(journal.append_confirm(knob, "4096"));
  REQUIRE(journal.append_intent(knob, "128", "8192", "9001"));
  REQUIRE(journal.append_guard("block/vda/queue/nr_requests", "64", "77"));
  auto entries = journal.read().entries;
  REQUIRE(entries.size() == 2);
  CHECK(entries[0].device == "9001");
  CHECK(entries[0].ours == std::vector<std::string>{"4096", "8192"});
  CHECK(entries[1].device == "77");
  CHECK(fold_records(encode_contents({entries, {}, {}, true})).entries[0].device == "9001");
  CHECK(fold_records(encode_contents({entries, {}, {}, true})).entries[1].device == "77");

  // The next device of that name: nothing of the last one's is to be put back.
  REQUIRE(journal.append_intent(knob, "300", "4096", "9002"));
  entries = journal.read().entries;
  REQUIRE(entries.size() == 2);
  CHECK(entries[0].device == "9002");
  CHECK(entries[0].original == "300");
  CHECK(entries[0].ours == std::vector<std::string>{"4096"});
  // A line of a daemon that did not know devices.
  REQUIRE(journal.append_intent(knob, "300", "2048"));
  CHECK(journal.read().entries[0].original == "300");
  CHECK(journal.read().problems.empty());
}

TEST_CASE("beside a dying keeper the journal is appended to, and its lock stays where it is") {
  const KernelTree run{};
  CHECK(Journal::open_of_dying(run.root()).error().code == ErrorCode::not_found);
  Journal dying = open_journal(run);
  REQUIRE(dying.append_intent("stuck", "1", "2"));
  REQUIRE(dying.append_intent("other", "1", "2"));
  auto opened = Journal::open_of_dying(run.root());
  REQUIRE(opened);
  Journal& beside = opened.value();
  CHECK(beside.read().entries.size() == 2);
  const std::string value(1000, 'v');
  for (int i = 0; i < 600; ++i) {
    REQUIRE(beside.append_intent("other", "1", value));
  }
  REQUIRE(beside.append_restored("other"));
  // A file in its place would be anybody's to lock.
  CHECK(Journal::open(run.root(), 0).error().code == ErrorCode::busy);
  const JournalContents seen = dying.read();
  REQUIRE(seen.entries.size() == 1);
  CHECK(seen.entries[0].knob == "stuck");
  CHECK(seen.problems.empty());
}

TEST_CASE("the journal keeps what another tool took for its original") {
  const KernelTree run{};
  {
    Journal journal = open_journal(run);
    REQUIRE(journal.append_intent("vm.swappiness", "60", "37"));
    REQUIRE(journal.append_confirm("vm.swappiness", "37"));
    REQUIRE(journal.append_captured("vm.swappiness", "37", "60"));
    REQUIRE(journal.append_captured("vm.swappiness", "10", "60"));
    REQUIRE(journal.append_captured("vm.stat_interval", "7", "1"));
    REQUIRE(journal.append_rebased("vm.swappiness", "10"));
    CHECK(only_entry(journal).original == "10");
    CHECK_FALSE(journal.clear());
    REQUIRE(journal.append_restored("vm.swappiness"));
    REQUIRE(journal.clear());
  }
  Journal journal = open_journal(run);
  JournalContents contents = journal.read();
  CHECK(contents.problems.empty());
  CHECK(contents.entries.empty());
  REQUIRE(contents.captures.size() == 2);
  CHECK(contents.captures[0].knob == "vm.stat_interval");
  CHECK(contents.captures[1].base == "60");
  CHECK(contents.captures[1].ours == Texts{"37", "10"});
  REQUIRE(journal.append_released("vm.stat_interval"));
  REQUIRE(journal.append_released("vm.swappiness"));
  CHECK(journal.read().captures.empty());
  REQUIRE(journal.clear());
  CHECK(run.text("journal").empty());
}

TEST_CASE("a compacted journal still says what was given up and captured") {
  const KernelTree run{};
  Journal journal = open_journal(run);
  REQUIRE(journal.append_captured("vm.stat_interval", "7", "1"));
  REQUIRE(journal.append_intent("vm.swappiness", "60", "37"));
  REQUIRE(journal.append_confirm("vm.swappiness", "37"));
  REQUIRE(journal.append_yielded("vm.swappiness"));
  const std::string filler(4096, 'x');
  for (int i = 0; i < 80; ++i) {
    REQUIRE(journal.append_intent("net.ipv4.tcp_rmem", filler, filler));
    REQUIRE(journal.append_restored("net.ipv4.tcp_rmem"));
  }
  const JournalContents contents = journal.read();
  CHECK(run.text("journal").size() < 300000);
  REQUIRE(contents.captures.size() == 1);
  CHECK(contents.captures[0].ours == Texts{"7"});
  REQUIRE_FALSE(contents.entries.empty());
  CHECK(contents.entries[0].yielded);
  CHECK(contents.entries[0].gave_up == Texts{"37"});
}

TEST_CASE("what is left of a line that found no room does not spoil the next one") {
  const KernelTree run{};
  Journal journal = open_journal(run);
  REQUIRE(journal.append_intent("vm.swappiness", "60", "10"));
  const std::string path = run.root() + "/journal";
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  int append_only = FS_APPEND_FL;
  int plain = 0;
  if (::ioctl(fd, FS_IOC_SETFLAGS, &append_only) != 0) {
    ::close(fd);
    WARN("needs root and a file system with append-only files");
    return;
  }
  // A part of the line fits, and a file that only grows cannot be cut.
  std::optional<FullDisk> full(run.text("journal").size() + 10);
  const bool torn = !journal.append_intent("vm.dirty_ratio", "20", "10");
  full.reset();
  const bool next = journal.append_intent("vm.stat_interval", "1", "10").ok();
  ::ioctl(fd, FS_IOC_SETFLAGS, &plain);
  ::close(fd);
  CHECK(torn);
  CHECK(next);
  const JournalContents contents = journal.read();
  REQUIRE(contents.entries.size() == 2);
  CHECK(contents.entries[1].knob == "vm.stat_interval");
  CHECK(contents.problems.size() == 1);
}

TEST_CASE("a line without a knob's name says nothing") {
  const JournalContents contents =
      fold_records(encode_record({"guard", "", "1"}) + encode_record({"intent", "", "1", "2"}));
  CHECK(contents.entries.empty());
  CHECK(contents.problems.size() == 2);
}
