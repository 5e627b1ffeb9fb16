// SPDX-License-Identifier: LGPL-2.1-or-later
// Writes that the kernel does not take in time: they may land later, or never.
#include "tests/catch.h"
#include "tests/unit/applier_rig.h"

using namespace tuneshift;
using namespace tuneshift::test;

namespace {

/// vda's queue hangs from hang() on: its writes are given up and wait for land() or lose(); until
/// then nothing of it can be read, as with the daemon's DeadlineFs.
class HangingKernelFs : public FaultyKernelFs {
 public:
  explicit HangingKernelFs(const KernelTree& tree) : FaultyKernelFs(tree) {}

  void hang() { hangs_ = true; }
  void land() { lose(true); }
  void lose(bool lands = false) {
    hangs_ = false;
    for (const auto& [path, value] : std::exchange(waiting_, {})) {
      if (lands) REQUIRE(FaultyKernelFs::write(path, value));
    }
  }
  [[nodiscard]] size_t waiting() const { return waiting_.size(); }

  [[nodiscard]] Result<std::string> read(std::string_view path) const override {
    if (!waiting_.empty() && is_of_vda(path)) return busy();
    return FaultyKernelFs::read(path);
  }
  Status write(std::string_view path, std::string_view value) override {
    if (!hangs_ || !is_of_vda(path)) return FaultyKernelFs::write(path, value);
    if (!waiting_.empty()) return busy();
    waiting_.emplace_back(path, value);
    return Error{ErrorCode::timeout, "no answer from the kernel", std::string(path), 0};
  }

 private:
  static bool is_of_vda(std::string_view path) { return path.substr(0, kVda.size()) == kVda; }
  static Error busy() { return {ErrorCode::busy, "the kernel has not answered yet", {}, 0}; }
  bool hangs_ = false;
  std::vector<std::pair<std::string, std::string>> waiting_;
};

struct HangingRig {
  KernelTree tree = machine_tree();
  KernelTree run{};
  HangingKernelFs kernel{tree};
  std::map<std::string, std::string> before = tree.snapshot();
  std::optional<Journal> journal;
  std::optional<Applier> applier;

  HangingRig() {
    imitate(kernel);
    start();
  }
  void start() {
    applier.reset();
    journal.reset();
    auto opened = Journal::open(run.root(), 0);
    if (!opened) throw std::runtime_error(opened.error().message);
    journal.emplace(std::move(opened).value());
    applier.emplace(kernel, *journal, Clocks{tick, tick});
  }
  std::string converge(const Desired& desired) {
    Receipt all = applier->converge(desired, Pass::quick);
    for (Change& change : applier->converge(desired, Pass::freezing)) all.push_back(change);
    return summary(all);
  }
  [[nodiscard]] std::string shown(const std::string& path) const {
    return kernel.KernelFs::read(path).value();
  }
  [[nodiscard]] KnobStatus knob(const std::string& name) const {
    for (KnobStatus& row : applier->knobs()) {
      if (row.knob == name) return row;
    }
    return {};
  }
  [[nodiscard]] const JournalEntry* entry(const std::string& name) {
    contents = journal->read();
    for (const JournalEntry& one : contents.entries) {
      if (one.knob == name) return &one;
    }
    return nullptr;
  }
  JournalContents contents;
};

const std::string kScheduler = "block/vda/queue/scheduler";
const std::string kRequests = "block/vda/queue/nr_requests";
const std::string kWbt = "block/vda/queue/wbt_lat_usec";
const Desired kKyber = {{kScheduler, want(FirstOf{{"kyber"}})},
                        {"vm.swappiness", want(exactly("10"))}};

}  // namespace

TEST_CASE("a write that is not answered is failed, told once, and stays in the journal",
          "[unanswered]") {
  HangingRig rig;
  rig.kernel.hang();
  const std::string told = rig.converge(kKyber);
  CHECK(told == "written vm.swappiness 60 -> 10\nfailed " + kScheduler + " mq-deadline -> kyber\n");
  CHECK(rig.knob(kScheduler).state == KnobState::failed);
  CHECK(rig.knob(kScheduler).why == "no answer from the kernel");
  REQUIRE(rig.entry(kScheduler) != nullptr);
  CHECK(rig.entry(kScheduler)->unconfirmed);
  CHECK(rig.entry(kScheduler)->ours == std::vector<std::string>{"kyber"});
  // What it moves is guarded until it is known.
  REQUIRE(rig.entry(kRequests) != nullptr);
  CHECK(rig.entry(kRequests)->guarded);

  SECTION("nothing more is written while it hangs") {
    rig.converge(kKyber);
    CHECK(rig.converge(kKyber).empty());
    CHECK(rig.kernel.waiting() == 1);
  }
  SECTION("it lands: confirmed, told, and what it moved goes back") {
    rig.kernel.land();
    CHECK(rig.shown(kVda + "nr_requests") == "256");
    CHECK(rig.converge(kKyber) == "written " + kScheduler + " mq-deadline -> kyber\nrestored " +
                                      kRequests + " 256 -> 64\n");
    CHECK(rig.knob(kScheduler).state == KnobState::ours);
    CHECK_FALSE(rig.entry(kScheduler)->unconfirmed);
    CHECK(rig.entry(kRequests) == nullptr);
    CHECK(rig.converge(kKyber).empty());
  }
  SECTION("it never landed: written again") {
    rig.kernel.lose();
    CHECK(rig.converge(kKyber) == "written " + kScheduler + " mq-deadline -> kyber\nrestored " +
                                      kRequests + " 256 -> 64\n");
    CHECK(rig.knob(kScheduler).state == KnobState::ours);
  }
  SECTION("it lands when nobody wants it any more") {
    rig.converge({});
    rig.kernel.land();
    rig.converge({});
    CHECK(rig.tree.snapshot() == rig.before);
    CHECK(rig.journal->read().entries.empty());
  }
  SECTION("somebody else's value over the landed one stays") {
    rig.kernel.land();
    rig.kernel.put(kVda + "scheduler", "[none] mq-deadline kyber \n");
    CHECK(rig.converge(kKyber).find("yielded " + kScheduler + " kyber -> none") !=
          std::string::npos);
    rig.converge({});
    CHECK(rig.shown(kVda + "scheduler") == "[none] mq-deadline kyber ");
  }
  SECTION("a new process restores what has landed") {
    rig.kernel.land();
    rig.start();
    rig.applier->restore_all();
    CHECK(rig.tree.snapshot() == rig.before);
  }
}

TEST_CASE("putting back is not answered", "[unanswered]") {
  HangingRig rig;
  const Desired wants = {{kScheduler, want(FirstOf{{"kyber"}})}, {kWbt, want(exactly("2000"))}};
  rig.converge(wants);
  rig.kernel.hang();
  CHECK(rig.converge({}).find("failed " + kScheduler) != std::string::npos);
  SECTION("it lands") {
    rig.kernel.land();
    CHECK(rig.converge({}).find("restored " + kScheduler + " kyber -> mq-deadline") !=
          std::string::npos);
    CHECK(rig.tree.snapshot() == rig.before);
    CHECK(rig.journal->read().entries.empty());
  }
  SECTION("it never lands") {
    rig.kernel.lose();
    rig.converge({});
    CHECK(rig.tree.snapshot() == rig.before);
  }
  SECTION("it lands and is wanted again") {
    rig.kernel.land();
    rig.converge(wants);
    CHECK(rig.knob(kScheduler).state == KnobState::ours);
    CHECK(rig.knob(kScheduler).current == "kyber");
    CHECK(rig.knob(kWbt).current == "2000");
    rig.converge({});
    CHECK(rig.tree.snapshot() == rig.before);
  }
}

TEST_CASE("a default that is restored in two writes shows neither value while one hangs",
          "[unanswered]") {
  HangingRig rig;
  rig.tree.set(kVda + "wbt_lat_usec", "0\n");
  rig.before = rig.tree.snapshot();
  const Desired wants = {{kWbt, want(exactly("2000"))}};
  rig.converge(wants);
  rig.kernel.hang();
  rig.converge({});
  rig.kernel.land();
  CHECK(rig.shown(kVda + "wbt_lat_usec") == "75000");
  rig.converge({});
  CHECK(rig.tree.snapshot() == rig.before);
}

TEST_CASE("what an unanswered write may move and somebody else owns is theirs when it answers",
          "[unanswered]") {
  HangingRig rig;
  rig.converge({{kRequests, want(exactly("128"))}});
  rig.kernel.put(kVda + "nr_requests", "99\n");
  const Desired wants = {{kRequests, want(exactly("128"))}, {kScheduler, want(FirstOf{{"kyber"}})}};
  rig.kernel.hang();
  rig.converge(wants);
  REQUIRE(rig.knob(kRequests).state == KnobState::yielded);
  REQUIRE(rig.entry(kRequests) != nullptr);

  SECTION("it lands and moves it: their value goes back") {
    rig.kernel.land();
    REQUIRE(rig.shown(kVda + "nr_requests") == "256");
    rig.converge(wants);
    CHECK(rig.shown(kVda + "nr_requests") == "99");
    CHECK(rig.entry(kRequests) == nullptr);
  }
  SECTION("it lands when nobody wants it any more") {
    rig.converge({});
    rig.kernel.land();
    rig.converge({});
    CHECK(rig.shown(kVda + "nr_requests") == "99");
    CHECK(rig.journal->read().entries.empty());
  }
  SECTION("it never lands, and its owner writes again: the new value is theirs") {
    rig.kernel.lose();
    rig.kernel.put(kVda + "nr_requests", "77\n");
    rig.converge({});
    CHECK(rig.shown(kVda + "nr_requests") == "77");
    rig.start();
    rig.applier->restore_all();
    CHECK(rig.shown(kVda + "nr_requests") == "77");
  }
  SECTION("somebody writes the scheduler as well: both are theirs") {
    rig.kernel.lose();
    rig.kernel.put(kVda + "scheduler", "[none] mq-deadline kyber \n");
    rig.kernel.put(kVda + "nr_requests", "77\n");
    rig.converge(wants);
    CHECK(rig.shown(kVda + "nr_requests") == "77");
    CHECK(rig.entry(kRequests) == nullptr);
  }
}

TEST_CASE("a write that is given up again and again and never lands is tried no more",
          "[unanswered]") {
  HangingRig rig;
  size_t tries = 0;
  for (int answer = 0; answer < 6; ++answer) {
    rig.kernel.hang();
    rig.converge(kKyber);
    tries += rig.kernel.waiting();
    rig.kernel.lose();
  }
  CHECK(tries == 3);
  CHECK(rig.knob(kScheduler).state == KnobState::failed);
  CHECK(rig.knob(kScheduler).why.find("given up: 3 writes") != std::string::npos);
  SECTION("another value is tried") {
    rig.converge({{kScheduler, want(FirstOf{{"none"}})}});
    CHECK(rig.knob(kScheduler).current == "none");
  }
  SECTION("it is tried again by the next who wants it") {
    rig.converge({});
    rig.converge(kKyber);
    CHECK(rig.knob(kScheduler).current == "kyber");
  }
}

TEST_CASE("the kernel's own ETIMEDOUT is an answer", "[unanswered]") {
  HangingRig rig;
  rig.kernel.fail_writes(kVda + "scheduler", ETIMEDOUT);
  rig.converge(kKyber);
  CHECK(rig.knob(kScheduler).state == KnobState::failed);
  CHECK(rig.entry(kScheduler) == nullptr);
}
