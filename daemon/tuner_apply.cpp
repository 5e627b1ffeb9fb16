// SPDX-License-Identifier: LGPL-2.1-or-later
// The tuner's other half: from leases to writes, and from receipts to re-windowed readers.
#include <algorithm>
#include <set>

#include "daemon/rewindow.h"
#include "daemon/tuner.h"
#include "libtune/escape.h"

namespace tuneshift {

namespace {

constexpr uint64_t first_retry_ns = 5'000'000'000;
constexpr unsigned most_retries = 8;
constexpr unsigned most_yields = 3;
// Whoever stops the daemon waits for it.
constexpr uint64_t put_back_deadline_ns = 1'000'000'000;

std::string descriptors(unsigned count) {
  return std::to_string(count) + (count == 1 ? " descriptor" : " descriptors");
}

}  // namespace

void Tuner::reconcile_soon() {
  reconcile_due_ = true;
  policy_timer_.set(0);
}

void Tuner::reconcile() {
  reconcile_due_ = false;
  if (taking_over_) return;
  set_neighbour_timer();
  auto decision = policy_.decide(monotonic_ns(), settled_machine());
  if (decision.next_ns) {
    policy_timer_.set(*decision.next_ns);
  } else {
    policy_timer_.off();
  }
  if (policy_.mode() == Mode::observe) {
    observe(decision.desired);
    return;
  }
  if (decision.desired != submitted_ || std::exchange(apply_anew_, false)) {
    submitted_ = std::move(decision.desired);
    retries_ = 0;
    apply(submitted_);
  }
  rewindow_due_readers();
}

void Tuner::apply(const Desired& desired) {
  const uint64_t turn = ++turns_;
  writer_.apply(desired, [this, turn](const Receipt& receipt, Pass pass) {
    on_receipt(receipt);
    if (pass != Pass::quick) return;
    turns_done_ = turn;
    rewindow_due_readers();
    if (submitted_.empty()) rearm_idle();
  });
  writer_.submit([this](Applier& applier) {
    return [this, left = applier.has_unsettled()] {
      if (left) retry_later();
    };
  });
}

void Tuner::rearm_idle() {
  // What somebody else set stands as the new original, and may be asked for again; but whoever
  // insists is left alone until a person asks.
  std::vector<std::string> again;
  for (const auto& [knob, times] : yields_) {
    if (times < most_yields) again.push_back(knob);
  }
  writer_.submit([again](Applier& applier) {
    for (const std::string& knob : again) static_cast<void>(applier.rearm(knob));
    return std::function<void()>();
  });
}

void Tuner::follow(const KeptValues& now, const std::optional<KeptValues>& at_death,
                   bool may_have_rolled_back) {
  writer_.submit([this, now, at_death, may_have_rolled_back](Applier& applier) {
    return [this, receipt = applier.follow(now, at_death, may_have_rolled_back)] {
      on_receipt(receipt);
      apply(submitted_);
    };
  });
}

void Tuner::forget_recent() {
  writer_.submit([](Applier& applier) {
    applier.forget_recent();
    return std::function<void()>();
  });
}

void Tuner::observe(const Desired& desired) {
  if (desired.empty()) {
    would_.clear();
    return;
  }
  writer_.submit([this, desired](Applier& applier) {
    return [this, desired, rows = applier.plan(desired)] {
      for (const PlanRow& row : rows) {
        if (!row.would_write || !would_.emplace(row.knob, row.wanted).second) continue;
        auto want = desired.find(row.knob);
        PlanRow told = row;
        if (want != desired.end()) told.owner = want->second.owner;
        recorder_.add_would_write(told, want == desired.end() ? "" : want->second.profile);
      }
      rewindow_due_readers();
    };
  });
}

void Tuner::on_receipt(const Receipt& receipt) {
  struct Applied {
    uint32_t written = 0;
    uint32_t failed = 0;
    std::string reason;
  };
  std::map<std::string, Applied> profiles;
  for (const Change& change : receipt) {
    auto noticed = noticed_ns_.find(change.owner);
    const bool known = noticed != noticed_ns_.end() && change.kind != ChangeKind::restored;
    recorder_.add_change(change, known ? noticed->second : 0);
    if (change.kind == ChangeKind::yielded) ++yields_[change.knob];
    // It was tuned, whose value is known now.
    if (change.kind == ChangeKind::rebased) yields_.erase(change.knob);
    if (change.kind == ChangeKind::yielded && observer_.knob_yielded)
      observer_.knob_yielded(change);
    if (change.kind == ChangeKind::written || change.kind == ChangeKind::failed) {
      Applied& applied = profiles[change.profile];
      ++(change.kind == ChangeKind::written ? applied.written : applied.failed);
      applied.reason = change.why;
    }
  }
  if (!receipt.empty() && senses_.knobs_changed) senses_.knobs_changed();
  for (const auto& [profile, applied] : profiles) {
    if (observer_.profile_applied) {
      observer_.profile_applied(profile, escape(applied.reason), applied.written, applied.failed);
    }
  }
}

void Tuner::retry_later() {
  // Nothing else will touch the knob soon: our value is still in force, or ours is not yet.
  if (retries_ >= most_retries) return;
  retry_timer_.set(monotonic_ns() + (first_retry_ns << retries_));
  ++retries_;
}

void Tuner::on_kernel_answer() {
  retries_ = 0;
  apply(submitted_);
}

void Tuner::rewindow_due_readers() {
  if (reconcile_due_) return;  // the read-ahead that they wait for is not even asked for
  std::vector<Reader> settled;
  for (auto& [reader, helped] : helped_) {
    if (helped.rewindow_due || helped.put_back_due) {
      if (!helped.turn) helped.turn = turns_;
      if (*helped.turn > turns_done_) continue;
      rewindow_reader(reader, helped);
    }
    if (helped.load == 0 && !detector_.watches(reader)) {
      settled.push_back(reader);
    }
  }
  for (const Reader& reader : settled) helped_.erase(reader);
}

void Tuner::rewindow_reader(const Reader& reader, Helped& helped) {
  const bool putting_back = helped.put_back_due;
  helped.rewindow_due = false;
  helped.put_back_due = false;
  helped.turn.reset();
  const std::string& path = helped.path;
  const uint64_t bytes = bytes_missed(reader);
  const auto record = [&](const char* kind, const std::string& text, unsigned descriptors) {
    recorder_.add(kind, text,
                  {{"pid", static_cast<uint32_t>(reader.process.pid)},
                   {"path", path},
                   {"descriptors", descriptors},
                   {"load", helped.load},
                   {"after_us", (monotonic_ns() - helped.suspected_ns) / 1000}});
  };
  // What was reset in mode auto is put back in any mode.
  if (!putting_back && policy_.mode() != Mode::automatic) {
    if (policy_.mode() != Mode::observe) return;
    helped.open = static_cast<unsigned>(helped.descriptors.size());
    helped.reset = helped.open - helped.direct();
    record("would-rewindow", path + ": " + descriptors(helped.reset) + " would be re-windowed",
           helped.reset);
    if (config_.prefetch) {
      helped.reset = count_buffered(kernel_, reader, helped.descriptors);
      helped.open = helped.reset + helped.direct();
    }
    assist(helped, "none: observing");
    read_ahead_of(reader, helped);
    return;
  }
  auto outcome = rewindow(kernel_, reader, helped.descriptors);
  if (!outcome.ok()) {
    if (putting_back) {
      helped.rewindowed = false;
      record("rewindowed",
             path + ": the reader keeps its window: " + escape(outcome.error().message), 0);
      return;
    }
    if (!accelerator_.follows(reader)) {
      assist(helped, "read-ahead only: " + escape(outcome.error().message));
    }
    read_ahead_of(reader, helped);
    return;
  }
  for (const std::string& failure : outcome.value().failures) recorder_.warn(escape(failure));
  const unsigned reset = outcome.value().reset;
  helped.open =
      reset + outcome.value().direct + static_cast<unsigned>(outcome.value().failures.size());
  if (putting_back) {
    helped.rewindowed = false;
    helped.reset = 0;
    // A mapping has the file of the descriptor that it was made of.
    record("rewindowed",
           path + (reset > 0 ? ": the reader's window follows the restored read-ahead"
                             : ": its descriptor is closed, what is mapped keeps its window"),
           reset);
    return;
  }
  if (reset == 0) {
    // A suspect that is read ahead of already has no need of the window.
    if (!accelerator_.follows(reader)) {
      assist(helped, outcome.value().direct > 0 ? "none: reads with O_DIRECT"
                                                : "read-ahead only: the descriptor is closed");
    }
    read_ahead_of(reader, helped);
    return;
  }
  helped.rewindowed = true;
  helped.reset = reset;
  note_help(helped, bytes);
  record("rewindowed", path + ": " + descriptors(reset) + " re-windowed", reset);
  assist(helped, "re-windowed");
  read_ahead_of(reader, helped);
}

uint64_t Tuner::add_lease(Lease lease) {
  noticed_ns_[lease.owner] = monotonic_ns();
  const uint64_t id = policy_.add(std::move(lease));
  reconcile();
  tell_state();
  return id;
}

void Tuner::remove_lease(uint64_t id) {
  if (const Lease* lease = policy_.lease(id)) noticed_ns_.erase(lease->owner);
  if (!policy_.remove(id)) return;
  reconcile();
  tell_state();
}

Status Tuner::switch_profile(const std::string& profile, const std::string& who) {
  if (!profile.empty() && !policy_.profiles().contains(profile)) {
    return Error{ErrorCode::not_found, "no profile '" + escape(profile, 64) + "'", {}, 0};
  }
  if (switched_lease_ != 0) policy_.remove(switched_lease_);
  switched_lease_ = 0;
  switched_profile_ = profile;
  recorder_.add("switch",
                profile.empty() ? "automatic again, asked by " + who
                                : "switched to " + profile + " by " + who,
                {{"profile", profile}, {"reason", who}});
  if (!profile.empty()) {
    Lease lease;
    lease.kind = LeaseKind::switched;
    lease.profile = profile;
    lease.owner = "switch";
    lease.reason = "SwitchProfile by " + who;
    lease.whole_machine = true;
    noticed_ns_[lease.owner] = monotonic_ns();
    switched_lease_ = policy_.add(std::move(lease));
  }
  reconcile();
  tell_state();
  return {};
}

void Tuner::set_mode(Mode mode, const std::string& who) {
  pausing_ = false;
  pause_end_.off();
  change_mode(mode, who);
}

void Tuner::pause(uint64_t seconds, const std::string& who) {
  if (!pausing_) mode_before_pause_ = policy_.mode();
  pausing_ = true;
  pause_until_ns_ = monotonic_ns() + seconds * 1'000'000'000;
  pause_end_.set(pause_until_ns_);
  change_mode(Mode::paused, who);
}

void Tuner::change_mode(Mode mode, const std::string& who) {
  if (mode == policy_.mode()) return;
  recorder_.add("mode",
                std::string("mode ") + to_string(policy_.mode()) + " → " + to_string(mode) +
                    ", asked by " + who,
                {{"mode", std::string(to_string(mode))}, {"reason", who}});
  const bool was_writing = policy_.mode() != Mode::observe;
  turn_windows(mode);
  policy_.set_mode(mode);
  if (mode != Mode::automatic) {
    accelerator_.stop_all();
    dropper_.stop_all("the mode has changed");
    closed_timer_.off();
  }
  if (mode == Mode::observe && was_writing) {
    // Observing writes nothing, and so must leave nothing of ours behind.
    submitted_.clear();
    apply(submitted_);
  }
  would_.clear();
  reconcile();
  tell_state();
}

void Tuner::turn_windows(Mode next) {
  for (auto& [reader, helped] : helped_) {
    if (next == Mode::automatic && detector_.is_undecided_or_loading(reader)) {
      // A load that goes on is helped like one that begins.
      helped.rewindow_due = true;
      helped.put_back_due = false;
      helped.ahead_over = false;
    } else if (next != Mode::automatic && helped.rewindowed) {
      helped.put_back_due = true;
    }
    helped.turn.reset();
  }
}

void Tuner::put_windows_back() {
  const uint64_t until_ns = monotonic_ns() + put_back_deadline_ns;
  for (auto& [reader, helped] : helped_) {
    if (!helped.rewindowed || monotonic_ns() > until_ns) continue;
    helped.put_back_due = true;
    rewindow_reader(reader, helped);
  }
}

void Tuner::reload(const Config& config, Profiles profiles, ProcessRules rules) {
  const bool mode_changed = config.mode != config_.mode;
  config_ = config;
  if (!config_.prefetch) accelerator_.stop_all();
  detector_.set_settings({config.settle_ms});
  leases_.set_profiles(config.loading_profile, config.serving_profile);
  rules_ = std::move(rules);
  // It was asked for by a rule that may have gone.
  dropper_.stop_all("the rules were read again");
  policy_.replace({config.dwell_ms, config.writes_per_hour}, std::move(profiles));
  recorder_.add("reload", "configuration, profiles and rules read again");
  if (mode_changed) set_mode(config.mode, "reload");
  if (!switched_profile_.empty() && !policy_.profiles().contains(switched_profile_)) {
    static_cast<void>(switch_profile("", "reload"));
  }
  reconcile();
}

void Tuner::rearm(const std::string& knob, std::function<void(const Status&)> answer) {
  writer_.submit([this, knob, answer = std::move(answer)](Applier& applier) {
    return [this, knob, answer, done = applier.rearm(knob)] {
      if (done.ok()) {
        const auto resolved = resolve_knob(kernel_, knob);
        if (knob.empty()) yields_.clear();
        if (resolved.ok()) yields_.erase(resolved.value().name);
      }
      // What was yielded is asked for again.
      submitted_.clear();
      reconcile();
      answer(done);
    };
  });
}

bool Tuner::verify(std::function<void(const std::vector<KnobStatus>&)> answer) {
  return writer_.query([this, answer = std::move(answer)](Applier& applier) {
    Receipt receipt = applier.verify();
    return [this, answer, receipt = std::move(receipt), knobs = applier.knobs()] {
      on_receipt(receipt);
      answer(knobs);
    };
  });
}

void Tuner::look_at(const Writers& writers) {
  if (submitted_.empty()) return;  // what is being put back is compared on its way
  for (const auto& [knob, writer] : writers) writers_[knob] = writer;
  if (looking_ || writers_.empty()) return;
  looking_ = true;
  writer_.submit([this, writers = std::exchange(writers_, {})](Applier& applier) {
    return [this, receipt = applier.verify(writers)] {
      looking_ = false;
      on_receipt(receipt);
      look_at({});
    };
  });
}

void Tuner::know(const Writers& writers) {
  if (writers == known_writers_) return;
  known_writers_ = writers;
  if (std::exchange(telling_, true)) return;
  writer_.submit([this, writers](Applier& applier) {
    applier.know(writers);
    return [this, writers] {
      telling_ = false;
      if (known_writers_ != writers) know(std::exchange(known_writers_, writers));
    };
  });
}

Status Tuner::cancel_load(uint32_t id) {
  const auto changes = detector_.cancel(id, monotonic_ns());
  if (changes.empty()) return Error{ErrorCode::not_found, "the load is over", {}, 0};
  carry_out(changes);
  set_timers();
  return {};
}

}  // namespace tuneshift
