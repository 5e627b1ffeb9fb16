// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/replay.h"

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <utility>

#include "libtune/detector.h"
#include "libtune/load_leases.h"
#include "libtune/policy.h"
#include "libtune/trace_text.h"

namespace tuneshift {

namespace {

constexpr uint64_t ms = 1'000'000;
constexpr size_t most_differences = 100;
// The recorded daemon's timer may have been so late: until then a deadline waits for its line.
constexpr uint64_t timer_slack_ns = 500 * ms;

std::string name_of(const LoadChange& change) {
  std::string name = std::string(to_string(change.kind)) + " of process " +
                     std::to_string(change.reader.process.pid);
  if (change.load != 0) name += ", load " + std::to_string(change.load);
  return change.reason.empty() ? name : name + " (" + change.reason + ")";
}

class Replay {
 public:
  Replay(const Trace& trace, const Profiles& profiles)
      : trace_(trace),
        profiles_(profiles),
        policy_({}, profiles),
        leases_(policy_, [this](const Reader& reader) { return store_of(reader); }) {}

  Replayed run() {
    for (const TraceEntry& entry : trace_) {
      if (std::holds_alternative<TraceTimer>(entry.body)) timers_.push_back(entry.time_ns);
      done_.compared = done_.compared || std::holds_alternative<TraceDecision>(entry.body);
    }
    std::sort(timers_.begin(), timers_.end());
    comparing_ = done_.compared;
    for (at_ = 0; at_ < trace_.size(); ++at_) take(trace_[at_]);
    compare_end();
    judge();
    return std::move(done_);
  }

 private:
  void take(const TraceEntry& entry) {
    if (entry.time_ns != 0) {
      if (done_.first_ns == 0) done_.first_ns = now_ns_ = entry.time_ns;
      if (!std::holds_alternative<TraceDecision>(entry.body)) keep_deadlines(entry.time_ns);
      now_ns_ = std::max(now_ns_, entry.time_ns);
      done_.last_ns = now_ns_;
    }
    std::visit([&](const auto& body) { on(entry.time_ns, body); }, entry.body);
  }

  // What the trace says of itself and the machine.
  void on(uint64_t, const TraceOrigin& origin) { hashed_ = origin.hashed; }
  void on(uint64_t, const TraceSettings& settings) {
    detector_.set_settings({settings.settle_ms});
    policy_.replace({settings.dwell_ms, settings.writes_per_hour}, profiles_);
    policy_.set_mode(settings.mode);
    leases_.set_profiles(settings.loading_profile, settings.serving_profile);
    if (done_.first_ns != 0) reconcile();
  }
  void on(uint64_t, const TraceMachine& machine) {
    machine_.memory_bytes = machine.memory_bytes;
    machine_.cpu_vendor = machine.cpu_vendor;
    machine_.virtualization = machine.virtualization;
    machine_.cpu_policies = machine.cpu_policies;
  }
  void on(uint64_t, const TraceDisk& disk) { machine_.disks[disk.name] = disk.facts; }
  void on(uint64_t, const TraceStore& store) {
    stores_[{store.device_major, store.device_minor}] = store.store;
  }
  void on(uint64_t, const TraceEnd&) {}
  void on(uint64_t, const TraceLabel& label) { done_.verdicts.push_back({label, {}, {}, {}, {}}); }
  void on(uint64_t, const TraceLost& lost) {
    done_.lost_lines += lost.lines;
    comparing_ = false;
    expected_.clear();
  }

  // Inputs.
  void on(uint64_t time_ns, const Event& event) {
    commands_[event.reader.process] = event.command;
    if (comparing_ && !known_.contains(event.reader) && !suspects_next(event.reader)) return;
    known_.insert(event.reader);
    Event now = event;
    now.time_ns = time_ns;
    carry_out(detector_.on_event(now));
  }
  void on(uint64_t time_ns, const TraceFacts& input) {
    carry_out(detector_.on_facts(input.reader, input.facts, time_ns));
  }
  void on(uint64_t time_ns, const TraceFailure& input) {
    const Error error{input.code, input.message, {}, 0};
    carry_out(detector_.on_facts(input.reader, error, time_ns));
  }
  void on(uint64_t time_ns, const TraceSample& input) {
    carry_out(detector_.on_sample(input.reader, input.sample, time_ns));
  }
  void on(uint64_t time_ns, const TraceBytes& input) {
    carry_out(detector_.on_bytes(input.reader, input.bytes, time_ns));
  }
  void on(uint64_t time_ns, const TraceConsumed& input) {
    carry_out(detector_.on_consumed(input.reader, input.bytes, time_ns));
  }
  void on(uint64_t time_ns, const TraceGone& input) {
    carry_out(detector_.on_process_gone(input.process, time_ns));
    leases_.on_process_gone(input.process);
    reconcile();
  }
  void on(uint64_t time_ns, const TraceTimer&) {
    // A detector that has changed since the recording may be waiting for another time.
    const auto due = detector_.next_deadline_ns();
    if (due && *due <= time_ns) carry_out(detector_.on_timer(time_ns));
  }
  void on(uint64_t time_ns, const TraceCancel& input) {
    const auto ours = load_of_.find(input.load);
    carry_out(detector_.cancel(ours == load_of_.end() ? input.load : ours->second, time_ns));
  }

  // The decisions of the recorded detector follow their input.
  void on(uint64_t, const TraceDecision& decision) {
    const LoadChange& was = decision.change;
    if (!comparing_ || !known_.contains(was.reader)) return;
    if (expected_.empty()) return differ("nothing", name_of(was));
    const LoadChange is = expected_.front();
    expected_.pop_front();
    // Loads are numbered from the daemon's start.
    if (was.load != 0 && is.load != 0) load_of_.emplace(was.load, is.load);
    const auto same_load = [&] {
      return was.load == 0 ? is.load == 0
                           : load_of_.contains(was.load) && load_of_.at(was.load) == is.load;
    };
    if (was.kind != is.kind || was.reader != is.reader || !same_load() ||
        (!hashed_ && was.reason != is.reason)) {
      differ(name_of(is), name_of(was));
    }
  }

  [[nodiscard]] bool suspects_next(const Reader& reader) const {
    if (at_ + 1 >= trace_.size()) return false;
    const auto* next = std::get_if<TraceDecision>(&trace_[at_ + 1].body);
    return next != nullptr && next->change.kind == LoadChangeKind::suspected &&
           next->change.reader == reader;
  }

  void differ(const std::string& is, const std::string& was) {
    if (done_.differences.size() >= most_differences) return;
    done_.differences.push_back("decides " + is + " where " + was + " was recorded");
  }

  /// What the recording does not have of the input before.
  void compare_end() {
    if (comparing_) {
      for (const LoadChange& change : expected_) differ(name_of(change), "nothing");
    }
    expected_.clear();
  }

  /// Fires what is due before the line at `until_ns`, in its order.
  void keep_deadlines(uint64_t until_ns) {
    compare_end();
    while (true) {
      const auto detector = detector_.next_deadline_ns();
      const bool of_detector = detector && !is_recorded(*detector);
      uint64_t due = of_detector ? *detector : until_ns;
      if (policy_due_ns_) due = std::min(due, *policy_due_ns_);
      if (due >= until_ns) return;
      now_ns_ = std::max(now_ns_, due);
      if (policy_due_ns_ && *policy_due_ns_ <= now_ns_) {
        reconcile();
        // A policy that asks for the same moment again would be asked for ever.
        if (policy_due_ns_ && *policy_due_ns_ <= now_ns_) policy_due_ns_.reset();
      } else {
        carry_out(detector_.on_timer(now_ns_));
        const auto next = detector_.next_deadline_ns();
        if (next && *next <= now_ns_) return;
      }
    }
  }

  /// Whether the recorded daemon's own timer comes for this deadline.
  [[nodiscard]] bool is_recorded(uint64_t deadline_ns) const {
    const auto timer = std::lower_bound(timers_.begin(), timers_.end(), deadline_ns);
    return timer != timers_.end() && *timer - deadline_ns <= timer_slack_ns;
  }

  void carry_out(const Detector::Changes& changes) {
    bool any = false;
    for (const LoadChange& change : changes) {
      if (change.kind == LoadChangeKind::progress) continue;
      any = true;
      leases_.on_change(change, detector_.load(change.load));
      for (const auto& [process, lease] : leases_.servers()) served_.insert(process.pid);
      if (comparing_) expected_.push_back(change);
      ReplayStep step;
      step.time_ns = now_ns_;
      step.change = change;
      step.command = commands_[change.reader.process];
      done_.steps.push_back(std::move(step));
    }
    if (any) reconcile();
  }

  void reconcile() {
    auto decision = policy_.decide(now_ns_, machine_);
    policy_due_ns_ = decision.next_ns;
    for (const auto& [knob, want] : decision.desired) {
      const auto before = desired_.find(knob);
      if (before != desired_.end() && before->second.value == want.value) continue;
      add_want({now_ns_, {}, {}, knob, to_string(want.value), want.profile, want.owner});
    }
    for (const auto& [knob, want] : desired_) {
      if (!decision.desired.contains(knob)) add_want({now_ns_, {}, {}, knob, {}, {}, {}});
    }
    desired_ = std::move(decision.desired);
  }

  void add_want(ReplayStep step) { done_.steps.push_back(std::move(step)); }

  Store store_of(const Reader& reader) const {
    const auto known = stores_.find({reader.file.device_major, reader.file.device_minor});
    if (known != stores_.end()) return known->second;
    const std::string bdi =
        std::to_string(reader.file.device_major) + ':' + std::to_string(reader.file.device_minor);
    return {bdi, "bdi/" + bdi + "/read_ahead_kb", {}, {}, {}};
  }

  void judge() {
    for (ReplayVerdict& verdict : done_.verdicts) {
      std::optional<uint64_t> suspected_ns;
      for (const ReplayStep& step : done_.steps) {
        if (!step.change || step.change->reader.process.pid != verdict.label.pid) continue;
        const LoadChangeKind kind = step.change->kind;
        if (kind == LoadChangeKind::suspected && !suspected_ns) suspected_ns = step.time_ns;
        const bool begins = kind == LoadChangeKind::started || kind == LoadChangeKind::joined;
        if (begins && !verdict.loaded && suspected_ns) {
          verdict.delay_ns = step.time_ns - *suspected_ns;
        }
        verdict.loaded = verdict.loaded || begins;
        if (!step.change->reason.empty()) verdict.reason = step.change->reason;
      }
      verdict.served = served_.contains(verdict.label.pid);
    }
  }

  const Trace& trace_;
  const Profiles& profiles_;
  Detector detector_{DetectorSettings{}};
  Policy policy_;
  LoadLeases leases_;
  Machine machine_;
  std::map<std::pair<uint32_t, uint32_t>, Store> stores_;
  std::map<ProcessId, std::string> commands_;
  std::vector<uint64_t> timers_;          ///< of the recording, sorted
  std::set<pid_t> served_;                ///< ever
  std::set<Reader> known_;                ///< readers that the detector was told of
  std::map<uint32_t, uint32_t> load_of_;  ///< the recorded detector's number → this one's
  std::deque<LoadChange> expected_;       ///< decided on the last input, not yet compared
  bool comparing_ = false;
  bool hashed_ = false;
  size_t at_ = 0;
  uint64_t now_ns_ = 0;
  std::optional<uint64_t> policy_due_ns_;
  Desired desired_;
  Replayed done_;
};

}  // namespace

bool ReplayVerdict::holds() const {
  switch (label.is) {
    case TraceLabel::Is::load:
      return loaded && (label.within_ms == 0 || delay_ns.value_or(0) <= label.within_ms * ms);
    case TraceLabel::Is::not_load:
      return !loaded;
    case TraceLabel::Is::server:
      break;
  }
  return served;
}

Replayed replay(const Trace& trace, const Profiles& profiles) {
  return Replay(trace, profiles).run();
}

}  // namespace tuneshift
