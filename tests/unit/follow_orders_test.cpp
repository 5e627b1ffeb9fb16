// SPDX-License-Identifier: LGPL-2.1-or-later
// Every order of what tuned and a lease can do: the final values are those of the same order
// without tuneshift.
#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "libtune/applier.h"
#include "tests/catch.h"
#include "tests/unit/kernel_tree.h"
#include "tests/unit/memory_kernel_fs.h"

using namespace tuneshift;
using namespace tuneshift::test;

namespace {

uint64_t no_clock() {
  return 1;
}

/// What a knob shows at first, and the values of the two profiles and the two leases.
struct Case {
  const char* knob;
  const char* original;
  const char* first;   ///< of tuned's profile T; empty: not in it
  const char* second;  ///< of U
  const char* lease;
  const char* other_lease;
};

constexpr Case kCases[] = {
    {"vm.swappiness", "60", "10", "", "37", "23"},              // T only
    {"vm.vfs_cache_pressure", "100", "", "200", "50", "70"},    // U only
    {"vm.stat_interval", "1", "10", "30", "7", "9"},            // both
    {"vm.watermark_scale_factor", "10", "50", "", "50", "80"},  // T sets just what the lease wants
    {"vm.compaction_proactiveness", "20", "5", "6", "6", "5"},  // each sets what a lease wants
    {"net.core.rmem_max", "212992", ">300000", "", "400000", "250000"},  // only upwards
    {"net.core.busy_read", "0", ">50", "20", "70", "30"},                // upwards, then just so
    {"net.core.busy_poll", "0", "20", ">50", "70", "30"},
};

std::string path_of(const Case& one) {
  std::string path = std::string("proc/sys/") + one.knob;
  for (char& c : path) {
    if (c == '.') c = '/';
  }
  return path;
}

/// tuned as tuned 2.20 behaves: it captures as it applies, rolls back blindly, forgets when killed.
class Tuned {
 public:
  enum class Profile { none, first, second };

  explicit Tuned(KernelFs& kernel) : kernel_(kernel) {}

  bool running = false;
  std::optional<KeptValues> kept_at_death;  ///< when it was killed since the last hint
  Profile profile = Profile::none;

  void apply(Profile wanted) {
    profile = wanted;
    for (const Case& one : kCases) {
      const std::string value = value_of(one, wanted);
      if (value.empty()) continue;
      const std::string current = kernel_.read(path_of(one)).value();
      std::string text = value;
      if (value[0] == '>') {
        text = value.substr(1);
        if (std::stol(text) <= std::stol(current)) continue;
      }
      captured_[path_of(one)] = current;
      write(path_of(one), text);
    }
  }

  void roll_back() {
    for (const auto& [path, value] : captured_) write(path, value);
    captured_.clear();
    profile = Profile::none;
  }

  void kill() {
    kept_at_death = kept();
    captured_.clear();
    profile = Profile::none;
    running = false;
  }

  [[nodiscard]] KeptValues kept() const {
    KeptValues values;
    for (const Case& one : kCases) {
      const std::string value = value_of(one, profile);
      if (!value.empty()) values[one.knob] = value;
    }
    return values;
  }

 private:
  static std::string value_of(const Case& one, Profile profile) {
    if (profile == Profile::none) return "";
    return profile == Profile::first ? one.first : one.second;
  }

  void write(const std::string& path, const std::string& value) {
    if (!kernel_.write(path, value)) throw std::runtime_error(path);
  }

  KernelFs& kernel_;
  std::map<std::string, std::string> captured_;
};

enum class Step { start, toggle, off, stop, kill, lease, other_lease, end_lease };
constexpr Step kSteps[] = {Step::start, Step::toggle, Step::off,         Step::stop,
                           Step::kill,  Step::lease,  Step::other_lease, Step::end_lease};
using Order = std::vector<Step>;

const char* name_of(Step step) {
  constexpr const char* kNames[] = {"start", "switch", "off",         "stop",
                                    "kill",  "lease",  "other lease", "end lease"};
  return kNames[static_cast<size_t>(step)];
}

bool is_lease(Step step) {
  return step == Step::lease || step == Step::other_lease || step == Step::end_lease;
}

void step_tuned(Tuned& tuned, Step step) {
  using Profile = Tuned::Profile;
  switch (step) {
    case Step::start:
      tuned.running = true;
      tuned.apply(Profile::first);
      break;
    case Step::toggle: {
      const auto next = tuned.profile == Profile::second ? Profile::first : Profile::second;
      tuned.roll_back();
      tuned.apply(next);
      break;
    }
    case Step::off:
      tuned.roll_back();
      break;
    case Step::stop:
      tuned.roll_back();
      tuned.running = false;
      break;
    case Step::kill:
      tuned.kill();
      break;
    default:
      break;
  }
}

/// Every order of `length` steps of which each makes sense where it comes.
void each_order(Order& order, bool running, bool active, int lease, size_t length,
                const std::function<void(const Order&)>& visit) {
  if (order.size() == length) return visit(order);
  for (const Step step : kSteps) {
    const int after = step == Step::lease ? 1 : step == Step::other_lease ? 2 : 0;
    if (is_lease(step) ? after == lease : (step == Step::start) == running) continue;
    if (step == Step::off && !active) continue;
    const bool runs = is_lease(step) ? running : step != Step::stop && step != Step::kill;
    const bool sets = is_lease(step) ? active : step == Step::start || step == Step::toggle;
    order.push_back(step);
    each_order(order, runs, sets, is_lease(step) ? after : lease, length, visit);
    order.pop_back();
  }
}

void each_order_up_to(size_t length, const std::function<void(const Order&)>& visit) {
  Order order;
  for (size_t one = 1; one <= length; ++one) each_order(order, false, false, 0, one, visit);
}

void set_originals(MemoryKernelFs& kernel) {
  for (const Case& one : kCases) kernel.files[path_of(one)] = one.original;
}

enum class Hints { at_once, late, every_other };  // of a step, the next one, or two

/// A machine with tuned and tuneshift.
class Pair {
 public:
  Pair(Hints hints, Journal& journal) : hints_(hints), journal_(journal) {
    set_originals(kernel_);
    applier_.emplace(kernel_, journal_, Clocks{no_clock, no_clock});
  }

  void step(Step step) {
    if (is_lease(step)) {
      lease_ = step == Step::lease ? 1 : step == Step::other_lease ? 2 : 0;
      (void)converge();
    } else {
      // Deaths are told one by one: a pidfd does not miss them.
      if (step == Step::kill && tuned_.kept_at_death) hint();
      step_tuned(tuned_, step);
    }
    // A change of ours is followed by a look as well.
    hint_due_ = hints_ == Hints::at_once || (hints_ == Hints::every_other && !hint_due_);
    if (hint_due_ || std::exchange(late_, hints_ == Hints::late)) hint();
  }

  /// What was not seen yet is, and the lease ends.
  void end() {
    hint();
    lease_ = 0;
    (void)converge();
    hint();
  }

  /// Where a lease wants what tuned found, what happened between two looks shows nothing.
  [[nodiscard]] bool can_tell(const Case& one) const {
    return hints_ != Hints::every_other || std::string_view(one.first) != one.other_lease;
  }
  [[nodiscard]] bool tuned_runs() const { return tuned_.running; }
  [[nodiscard]] const auto& files() const { return kernel_.files; }

  /// tuneshift is killed; the next one puts back what its journal says.
  void restart() {
    applier_.emplace(kernel_, journal_, Clocks{no_clock, no_clock});
    applier_->restore_all();
    hint();
  }

 private:
  void hint() {
    // A write of ours is followed by another look.
    bool wrote = true;
    for (int look = 0; wrote && look < 3; ++look) {
      applier_->follow(tuned_.kept(), std::exchange(tuned_.kept_at_death, {}));
      wrote = converge();
    }
  }

  bool converge() {
    Desired desired;
    for (const Case& one : kCases) {
      const char* value = lease_ == 1 ? one.lease : one.other_lease;
      if (lease_ != 0) desired[one.knob] = {Exactly{value}, "p", "hold", "test"};
    }
    const bool idle = desired.empty();
    const Receipt receipt = applier_->converge(desired, Pass::quick);
    // As the tuner does: what was yielded may be asked for again.
    if (idle) (void)applier_->rearm("");
    const bool yielded = std::any_of(receipt.begin(), receipt.end(), [](const Change& change) {
      return change.kind == ChangeKind::yielded;
    });
    if (yielded && hints_ == Hints::every_other) hint();
    return !receipt.empty();
  }

  Hints hints_;
  Journal& journal_;
  MemoryKernelFs kernel_;
  Tuned tuned_{kernel_};
  std::optional<Applier> applier_;
  int lease_ = 0;
  bool hint_due_ = false;
  bool late_ = false;
};

/// "" when all is as it should be.
std::string difference(const MemoryKernelFs& alone, const Pair& pair, const Order& order,
                       const char* when) {
  for (const Case& one : kCases) {
    const std::string path = path_of(one);
    if (alone.files.at(path) == pair.files().at(path)) continue;
    if (!pair.can_tell(one)) continue;
    std::string text = std::string(one.knob) + " is " + pair.files().at(path) + " instead of " +
                       alone.files.at(path) + " " + when + ":";
    for (const Step step : order) text += std::string(" ") + name_of(step) + ",";
    return text;
  }
  return "";
}

std::string run(const Order& order, Hints hints, Journal& journal,
                std::optional<size_t> restart_after = {}) {
  MemoryKernelFs alone;
  set_originals(alone);
  Tuned reference(alone);
  Pair pair(hints, journal);
  for (size_t i = 0; i < order.size(); ++i) {
    step_tuned(reference, order[i]);
    pair.step(order[i]);
    if (restart_after == i) pair.restart();
  }
  pair.end();
  std::string wrong = difference(alone, pair, order, "after");
  if (wrong.empty() && pair.tuned_runs()) {
    step_tuned(reference, Step::stop);
    pair.step(Step::stop);
    pair.end();
    wrong = difference(alone, pair, order, "after, and a stop");
  }
  if (!wrong.empty() && restart_after)
    wrong += " restarted after " + std::to_string(*restart_after);
  return wrong;
}

struct Orders {
  const KernelTree directory{};
  std::optional<Journal> journal;  ///< the present run's
  size_t count = 0;
  size_t wrong = 0;
  std::string told;

  Journal& fresh_journal() {
    journal.reset();
    directory.remove("journal");
    auto opened = Journal::open(directory.root(), 0);
    if (!opened) throw std::runtime_error(opened.error().message);
    journal.emplace(std::move(opened).value());
    return *journal;
  }

  void check(const std::string& result) {
    ++count;
    if (result.empty()) return;
    if (++wrong <= 8) told += result + "\n";
  }
};

}  // namespace

TEST_CASE("beside tuned every order ends with the values that it has without us", "[follow]") {
  const auto hints = GENERATE(Hints::at_once, Hints::late, Hints::every_other);
  CAPTURE(static_cast<int>(hints));
  Orders orders;
  each_order_up_to(
      5, [&](const Order& one) { orders.check(run(one, hints, orders.fresh_journal())); });
  CAPTURE(orders.count, orders.told);
  CHECK(orders.count > 1000);
  CHECK(orders.wrong == 0);
}

TEST_CASE("beside tuned a daemon that is killed leaves the next one the right originals",
          "[follow]") {
  Orders orders;
  each_order_up_to(4, [&](const Order& one) {
    for (size_t after = 0; after < one.size(); ++after) {
      orders.check(run(one, Hints::at_once, orders.fresh_journal(), after));
    }
  });
  CAPTURE(orders.count, orders.told);
  CHECK(orders.count > 1000);
  CHECK(orders.wrong == 0);
}

// Minutes: by name, after a change of the follower.
TEST_CASE("beside tuned every longer order ends so too", "[.follow-long]") {
  const auto hints = GENERATE(Hints::at_once, Hints::late);
  CAPTURE(static_cast<int>(hints));
  Orders orders;
  each_order_up_to(
      7, [&](const Order& one) { orders.check(run(one, hints, orders.fresh_journal())); });
  CAPTURE(orders.count, orders.told);
  CHECK(orders.wrong == 0);
}

TEST_CASE("a knob that tuned does not keep is yielded as ever", "[follow]") {
  MemoryKernelFs kernel;
  set_originals(kernel);
  Orders orders;
  Applier applier(kernel, orders.fresh_journal(), Clocks{no_clock, no_clock});
  const std::string path = path_of(kCases[0]);
  const Desired desired{{"vm.swappiness", {Exactly{"37"}, "p", "hold", "test"}}};
  (void)applier.converge(desired, Pass::quick);
  kernel.files[path] = "77";
  CHECK(applier.follow({{"vm.stat_interval", "10"}}).empty());
  (void)applier.converge({}, Pass::quick);
  CHECK(kernel.files[path] == "77");
  // What was ours once is an administrator's now.
  kernel.files[path] = "37";
  (void)applier.follow({{"vm.stat_interval", "10"}});
  (void)applier.follow({});
  (void)applier.converge({}, Pass::quick);
  CHECK(kernel.files[path] == "37");
}
