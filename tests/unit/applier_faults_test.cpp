// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <optional>
#include <system_error>

#include "tests/catch.h"
#include "tests/unit/applier_rig.h"
#include "tests/unit/full_disk.h"

using namespace tuneshift;
using namespace tuneshift::test;

namespace {

const Desired kLoading = {{"vm.swappiness", want(exactly("10"))},
                          {"vm.dirty_bytes", want(exactly("1000000"))},
                          {"thp/enabled", want(exactly("always"))},
                          {"bdi/0:44/read_ahead_kb", want(at_least(16384))},
                          {"block/vda/queue/read_ahead_kb", want(at_least(4097))},
                          {"block/vda/queue/max_sectors_kb", want(at_least(2048))},
                          {"block/vda/queue/scheduler", want(FirstOf{{"none"}})},
                          {"block/vda/queue/nr_requests", want(at_least(128))},
                          {"block/vda/queue/wbt_lat_usec", want(exactly("0"))}};
const Desired kServing = {{"vm.swappiness", want(exactly("5"))},
                          {"vm.dirty_ratio", want(exactly("10"))},
                          {"block/vda/queue/scheduler", want(FirstOf{{"kyber"}})},
                          {"block/vda/queue/wbt_lat_usec", want(exactly("2000"))}};

/// A whole life: load, serve, and a new process that restores.
void live(Rig& rig) noexcept {
  rig.start();
  rig.converge(kLoading);
  rig.converge(kServing);
  rig.start();
  rig.applier->restore_all();
}

/// Whether a kill after this system call leaves the files other than a kill before it.
bool changes_files(uint64_t call) {
  for (const long reads :
       {SYS_read, SYS_pread64, SYS_fstat, SYS_newfstatat, SYS_readlinkat, SYS_close, SYS_lseek,
        SYS_getdents64, SYS_openat2, SYS_brk, SYS_mmap, SYS_munmap, SYS_mprotect}) {
    if (call == static_cast<uint64_t>(reads)) return false;
  }
  return true;
}

/// Lets a stopped child run up to the return of its next system call; that call's number, or
/// nothing when the child has ended.
std::optional<uint64_t> next_call(pid_t child, int& status) {
  std::optional<uint64_t> entered;
  while (true) {
    __ptrace_syscall_info info = {};
    if (::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr) != 0 ||
        ::waitpid(child, &status, 0) != child || !WIFSTOPPED(status) ||
        ::ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof(info), &info) <= 0) {
      return std::nullopt;
    }
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY) entered = info.entry.nr;
    if (info.op == PTRACE_SYSCALL_INFO_EXIT && entered) return entered;
  }
}

/// Runs `live` in a child and kills it with SIGKILL when the first call that may have changed a
/// file, from its n-th system call on, has returned. That call's place, or 0 when the child came to
/// its end before.
int kill_after_call(Rig& rig, int n) {
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("fork");
  if (child == 0) {
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(2);
    ::raise(SIGSTOP);
    live(rig);
    ::_exit(0);
  }
  int status = 0;
  if (::waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) {
    throw std::runtime_error("the child cannot be traced");
  }
  ::ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD);
  for (int place = 1;; ++place) {
    const auto call = next_call(child, status);
    if (!call) break;
    if (place < n || !changes_files(*call)) continue;
    ::kill(child, SIGKILL);
    ::waitpid(child, &status, 0);
    return place;
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) throw std::runtime_error("the child failed");
  return 0;
}

/// "path: before -> after", one a line.
std::string changed(const std::map<std::string, std::string>& before,
                    const std::map<std::string, std::string>& after) {
  std::string text;
  for (const auto& [path, now] : after) {
    const auto found = before.find(path);
    const std::string then = found == before.end() ? "nothing" : found->second;
    if (then != now) text += path + ": " + then + " -> " + now + "\n";
  }
  return text;
}

}  // namespace

TEST_CASE("killed between any two system calls, every knob goes back") {
  Rig rig;
  // Set by hand, so that two writes lead back to it.
  rig.kernel.put(kVda + "wbt_lat_usec", "3000\n");
  rig.before = rig.tree.snapshot();
  int kills = 0;
  for (int place = 0, next = 1; next > 0; ++kills) {
    rig.stop();  // the child takes the journal's lock itself
    place = kill_after_call(rig, next);
    next = place == 0 ? 0 : place + 1;
    INFO("killed after call " << place << "\n" << rig.run.text("journal"));
    rig.start();
    const Receipt receipt = rig.applier->restore_all();
    INFO(summary(receipt));
    auto after = rig.tree.snapshot();
    for (auto file = after.begin(); file != after.end();) {
      const bool staged = file->first.find(".staged") != std::string::npos;
      file = staged ? after.erase(file) : std::next(file);
    }
    REQUIRE(changed(rig.before, after) == "");
    REQUIRE(rig.run.text("journal").empty());
  }
  CHECK(kills > 100);
}

TEST_CASE("what an earlier process left is put back once, and theirs is left alone") {
  Rig rig;
  rig.converge(kLoading);
  rig.kernel.put(kSwappiness, "33\n");
  rig.start();
  const Receipt receipt = rig.applier->restore_all();
  for (const Change& change : receipt) {
    INFO(change.knob << ": " << change.why);
    CHECK(change.kind ==
          (change.knob == "vm.swappiness" ? ChangeKind::yielded : ChangeKind::restored));
  }
  rig.before[kSwappiness] = "33\n";
  CHECK(rig.tree.snapshot() == rig.before);
  CHECK(rig.run.text("journal").empty());
  rig.start();
  CHECK(rig.applier->restore_all().empty());
}

TEST_CASE("whatever the kernel made of a value is known to the next process") {
  Rig rig;
  const std::string read_ahead = kVda + "read_ahead_kb";
  rig.kernel.shows(read_ahead, [](const std::string&) { return "12"; });
  rig.converge({{"block/vda/queue/read_ahead_kb", want(exactly("13"))}});
  rig.kernel.shows(read_ahead, [](const std::string& value) { return value; });
  rig.start();
  CHECK(summary(rig.applier->restore_all()) ==
        "restored block/vda/queue/read_ahead_kb 12 -> 128\n");
}

TEST_CASE("a value that the kernel refuses is told once, the others are applied") {
  Rig rig;
  const int error = GENERATE(EINVAL, EBUSY, EIO, EPERM);
  rig.kernel.fail_writes(kSwappiness, error);
  const Desired desired = {{"vm.swappiness", want(exactly("10"))},
                           {"vm.min_free_kbytes", want(exactly("100000"))}};
  const Receipt receipt = rig.converge(desired);
  REQUIRE(receipt.size() == 2);
  CHECK(receipt[1].kind == ChangeKind::failed);
  CHECK(receipt[1].why.find(std::generic_category().message(error)) != std::string::npos);
  CHECK(rig.converge(desired).empty());
  // What may pass is tried again, what cannot is not.
  CHECK(rig.kernel.failed_writes == (error == EBUSY || error == EIO ? 2 : 1));
  CHECK(rig.journal->read().entries.size() == 1);
  rig.converge({});
  CHECK(rig.tree.snapshot() == rig.before);
  CHECK(rig.run.text("journal").empty());
}

TEST_CASE("a refused change leaves no older value of ours in force") {
  Rig rig;
  rig.converge({{"vm.swappiness", want(exactly("10"))}});
  rig.kernel.refuse_value(kSwappiness, "20");
  const Receipt receipt = rig.converge({{"vm.swappiness", want(exactly("20"))}});
  CHECK(summary(receipt) ==
        "restored vm.swappiness 10 -> 60\n"
        "failed vm.swappiness 60 -> 20\n");
  CHECK(rig.tree.snapshot() == rig.before);
}

TEST_CASE("a write that failed after it had its effect is still put back") {
  Rig rig;
  rig.kernel.fail_writes(kSwappiness, EIO, true);
  CHECK(rig.converge({{"vm.swappiness", want(exactly("10"))}})[0].kind == ChangeKind::failed);
  CHECK(rig.shown(kSwappiness) == "10");
  rig.kernel.fail_writes(kSwappiness, 0);
  rig.start();
  rig.applier->restore_all();
  CHECK(rig.shown(kSwappiness) == "60");
}

TEST_CASE("what could not be put back stays in the journal for the next try") {
  Rig rig;
  rig.converge({{"vm.swappiness", want(exactly("10"))}});
  rig.kernel.fail_writes(kSwappiness, EBUSY);
  const Receipt receipt = rig.applier->restore_all();
  CHECK(summary(receipt) == "failed vm.swappiness 60 -> 10\n");
  CHECK(rig.applier->knobs().size() == 1);
  rig.kernel.fail_writes(kSwappiness, 0);
  rig.start();
  CHECK(summary(rig.applier->restore_all()) == "restored vm.swappiness 10 -> 60\n");
}

TEST_CASE("without room in the journal nothing is changed, and what was is put back") {
  Rig rig;
  rig.converge({{"vm.swappiness", want(exactly("10"))}});
  std::optional<FullDisk> full(rig.run.text("journal").size() + 10);
  const Receipt receipt = rig.converge({{"vm.swappiness", want(exactly("10"))},
                                        {"thp/enabled", want(exactly("always"))},
                                        {"vm.min_free_kbytes", want(exactly("100000"))}});
  const Receipt restored = rig.applier->restore_all();
  full.reset();
  CHECK(receipt.size() == 2);
  for (const Change& change : receipt) CHECK(change.kind == ChangeKind::failed);
  CHECK(summary(restored) == "restored vm.swappiness 10 -> 60\n");
  CHECK(rig.tree.snapshot() == rig.before);
  rig.start();
  CHECK(rig.applier->restore_all().empty());
}

TEST_CASE("a journal with foreign entries leads nowhere") {
  Rig rig;
  REQUIRE(rig.journal->append_intent("../../etc/passwd", "x", "y"));
  REQUIRE(rig.journal->append_intent("block/../vda/queue/scheduler", "x", "y"));
  REQUIRE(rig.journal->append_intent("vm.swappiness", "1", "60"));
  rig.start();
  const Receipt receipt = rig.applier->restore_all();
  CHECK(receipt.size() == 3);
  rig.before[kSwappiness] = "1\n";
  CHECK(rig.tree.snapshot() == rig.before);
}

TEST_CASE("of a pair that excludes each other theirs stands") {
  // Killed between the guard of the bytes and the intent of the ratio; then somebody set the ratio.
  Rig rig;
  REQUIRE(rig.journal->append_guard("vm.dirty_bytes", "500000"));
  rig.start();
  rig.applier->restore_all();
  CHECK(rig.shown(kDirtyBytes) == "0");
  CHECK(rig.shown(kDirtyRatio) == "20");
  CHECK(rig.kernel.writes.empty());
}

TEST_CASE("an alias in a journal is no record of ours and spoils none") {
  Rig rig;
  rig.converge({{"vm.swappiness", want(exactly("10"))}});
  REQUIRE(rig.journal->append_intent("vm/swappiness", "99", "10"));
  rig.start();
  const Receipt receipt = rig.applier->restore_all();
  CHECK(summary(receipt) ==
        "failed vm/swappiness  -> 99\n"
        "restored vm.swappiness 10 -> 60\n");
  CHECK(rig.tree.snapshot() == rig.before);
}

namespace {

/// Puts knobs of the real machine back whatever happens, also when this process is killed: a
/// second process waits for its end and then writes what was there.
class RealKnobs {
 public:
  explicit RealKnobs(const std::vector<std::string>& paths) : kernel_(KernelFs::open("/").value()) {
    for (const std::string& path : paths) before_.emplace_back(path, read(path));
    if (::pipe2(alive_, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
    keeper_ = ::fork();
    if (keeper_ == 0) {
      ::setsid();
      ::close(alive_[1]);
      char byte = 0;
      while (::read(alive_[0], &byte, 1) > 0) continue;
      put_back();
      ::_exit(0);
    }
    ::close(alive_[0]);
  }
  RealKnobs(const RealKnobs&) = delete;
  RealKnobs& operator=(const RealKnobs&) = delete;
  ~RealKnobs() {
    ::close(alive_[1]);
    ::waitpid(keeper_, nullptr, 0);
  }

  [[nodiscard]] std::string read(const std::string& path) const {
    const auto text = kernel_.read(path);
    return text ? text.value() : std::string();
  }
  [[nodiscard]] bool are_back() const {
    for (const auto& [path, text] : before_) {
      if (read(path) != text) return false;
    }
    return true;
  }

 private:
  void put_back() {
    for (const auto& [path, text] : before_) {
      const size_t open = text.find('[');
      const std::string value =
          open == std::string::npos ? text : text.substr(open + 1, text.find(']') - open - 1);
      if (read(path) != text) (void)kernel_.write(path, value);
    }
  }

  KernelFs kernel_;
  std::vector<std::pair<std::string, std::string>> before_;
  int alive_[2] = {-1, -1};
  pid_t keeper_ = -1;
};

/// A loop device without a file: its queue is real, and nobody reads through it.
std::string unused_loop(const KernelFs& kernel) {
  for (int number = 7; number >= 0; --number) {
    const std::string name = "loop" + std::to_string(number);
    const auto size = kernel.read("sys/block/" + name + "/size");
    if (size && size.value() == "0") return name;
  }
  return {};
}

}  // namespace

TEST_CASE("a real queue is changed and comes back, side effects included") {
  KernelFs kernel = KernelFs::open("/").value();
  const std::string loop = ::geteuid() == 0 ? unused_loop(kernel) : "";
  if (loop.empty()) {
    WARN("needs root and an unused loop device");
    return;
  }
  const std::string queue = "sys/block/" + loop + "/queue/";
  // In an order in which the kernel takes them back: the scheduler moves the others.
  const RealKnobs real({queue + "scheduler", queue + "nr_requests", queue + "max_sectors_kb",
                        queue + "wbt_lat_usec", queue + "rq_affinity", queue + "read_ahead_kb"});
  const std::string prefix = "block/" + loop + "/queue/";
  const Desired loading = {{prefix + "scheduler", want(FirstOf{{"mq-deadline", "none"}})},
                           {prefix + "nr_requests", want(exactly("96"))},
                           {prefix + "max_sectors_kb", want(exactly("512"))},
                           {prefix + "rq_affinity", want(exactly("2"))},
                           {prefix + "read_ahead_kb", want(exactly("4097"))}};
  KernelTree run{};
  const Clocks clocks{tick, tick};
  {
    Journal journal = Journal::open(run.root(), 0).value();
    Applier applier(kernel, journal, clocks);
    for (const Pass pass : {Pass::quick, Pass::freezing}) {
      for (const Change& change : applier.converge(loading, pass)) {
        INFO(change.knob << ": " << change.why);
        CHECK(change.kind == ChangeKind::written);
      }
    }
    CHECK(real.read(queue + "read_ahead_kb") == "4096");
    CHECK(real.read(queue + "nr_requests") == "96");
    CHECK(real.read(queue + "max_sectors_kb") == "512");
    CHECK(applier.verify().empty());
    CHECK(applier.converge(loading, Pass::freezing).empty());
  }
  // The process is gone; the next one knows the journal alone.
  Journal journal = Journal::open(run.root(), 0).value();
  Applier applier(kernel, journal, clocks);
  for (const Change& change : applier.restore_all()) {
    INFO(change.knob << ": " << change.why);
    CHECK(change.kind == ChangeKind::restored);
  }
  CHECK(real.are_back());
  CHECK(journal.read().entries.empty());
}
