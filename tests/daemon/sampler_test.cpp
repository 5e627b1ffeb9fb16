// SPDX-License-Identifier: LGPL-2.1-or-later
// What the sampler reads of proc, and when: processes only while the machine reads.
#include "daemon/sampler.h"

#include "tests/catch.h"
#include "tests/unit/memory_kernel_fs.h"

using namespace tuneshift;

namespace {

constexpr uint64_t mib = 1 << 20;
constexpr uint64_t period_ms = 2;
constexpr unsigned some_looks = 5;
const HeldFile model{{254, 0, 42}, 100 * mib, true};

// It began 1 s after the boot: it is not young.
constexpr char loader_stat[] = "7 (a (loader) ) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 100 0";

// proc with one process; tells of each look.
class Proc : public test::MemoryKernelFs {
 public:
  Proc() {
    files["proc/vmstat"] = "pgpgin 0";
    files.emplace("proc/7/stat", loader_stat);
    files["proc/7/statm"] = "900 500 0 1 0 1 0";
    set_read(0);
  }

  void set_read(uint64_t bytes) {
    files["proc/vmstat"] = "pgpgin " + std::to_string(bytes >> 10);
    files["proc/7/io"] =
        "rchar: 0\nwchar: 0\nread_bytes: " + std::to_string(bytes) + "\nwrite_bytes: 0";
  }

  [[nodiscard]] Result<std::string> read(std::string_view path) const override {
    if (path == "proc/vmstat" && on_look) on_look();
    return MemoryKernelFs::read(path);
  }

  [[nodiscard]] Result<std::vector<std::string>> list(std::string_view path) const override {
    ++listings;
    if (path != "proc") return MemoryKernelFs::list(path);
    return std::vector<std::string>{"7", "self", "sys", "7x"};
  }

  std::function<void()> on_look;
  mutable unsigned listings = 0;
};

// A sampler on a loop of its own.
class Rig {
 public:
  explicit Rig(SampledStores stores)
      : sampler_(loop_, proc, period_ms,
                 {[this](const ProcessId& process) {
                    asked.push_back(process);
                    looks_left_ = 0;
                  },
                  [this](const Event& event, bool) {
                    events.push_back(event);
                    return wanted;
                  }}) {
    sampler_.set_stores(stores);
    proc.on_look = [this] {
      if (looks_left_ > 0) --looks_left_;
    };
  }

  /// So many looks, or until it asks for a process's files.
  void run(unsigned looks) {
    looks_left_ = looks;
    while (looks_left_ > 0) REQUIRE(sd_event_run(loop_.get(), UINT64_MAX) > 0);
  }

  [[nodiscard]] Sampler& sampler() { return sampler_; }

  Proc proc;
  std::vector<ProcessId> asked;
  std::vector<Event> events;
  bool wanted = true;

 private:
  Loop loop_;
  Sampler sampler_;
  unsigned looks_left_ = 0;
};

}  // namespace

TEST_CASE("while the machine reads nothing no process is looked at", "[sampler]") {
  Rig rig({.with_disk = true, .without_disk = true});
  rig.run(some_looks);
  CHECK(rig.proc.listings == 0);
  CHECK(rig.asked.empty());
}

TEST_CASE("a process that grows is asked for its files, and told of", "[sampler]") {
  Rig rig({.with_disk = true});
  rig.proc.set_read(20 * mib);
  rig.run(2);
  REQUIRE(rig.proc.listings > 0);
  REQUIRE(rig.asked.empty());  // how much of that was before is not known
  rig.proc.set_read(60 * mib);
  rig.run(some_looks);
  REQUIRE(rig.asked.size() == 1);
  CHECK(rig.asked[0].pid == 7);
  CHECK(rig.asked[0].start_ns == 1'000'000'000);
  rig.sampler().on_files(rig.asked[0], std::vector{model});
  REQUIRE(rig.events.size() == 1);
  const Event& event = rig.events[0];
  CHECK(event.evidence == Evidence::sampled);
  CHECK(event.reader == Reader{rig.asked[0], model.file});
  CHECK(event.bytes == 40 * mib);
  CHECK(event.file_size == 100 * mib);
  CHECK(event.command == "a (loader) ");
}

TEST_CASE("what the detector rejected is told of no more", "[sampler]") {
  Rig rig({.with_disk = true});
  rig.wanted = false;
  rig.proc.set_read(20 * mib);
  rig.run(2);
  rig.proc.set_read(60 * mib);
  rig.run(some_looks);
  REQUIRE(rig.asked.size() == 1);
  rig.sampler().on_files(rig.asked[0], std::vector{model});
  rig.proc.set_read(90 * mib);
  rig.run(some_looks);
  REQUIRE(rig.asked.size() == 2);
  rig.sampler().on_files(rig.asked[1], std::vector{model});
  CHECK(rig.events.size() == 1);
}

TEST_CASE("without a disk it is the allocation of pages that tells of reads", "[sampler]") {
  Rig rig({.without_disk = true});
  rig.proc.set_read(90 * mib);
  rig.run(some_looks);
  CHECK(rig.proc.listings == 0);
  rig.proc.files["proc/vmstat"] = "pgpgin 0\npgalloc_normal 90000";
  rig.run(2);
  CHECK(rig.proc.listings == 1);
}
