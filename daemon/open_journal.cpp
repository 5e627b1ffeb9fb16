// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/open_journal.h"

#include <poll.h>
#include <spdlog/spdlog.h>

#include <optional>

#include "daemon/lock_holder.h"
#include "daemon/loop.h"
#include "libtune/catalogue.h"

namespace tuneshift {

namespace {

constexpr int step_ms = 10;
// A process that is ended is seen as it lives for some µs yet: between the signal's arrival and its
// first step out.
constexpr uint64_t surely_alive_ns = 200'000'000;

Error busy(const std::string& message) {
  return {ErrorCode::busy, message, {}, 0};
}

/// "process 812, which was killed, hangs in sys/block/vda/queue/scheduler"
std::string describe(const LockHolder& dying) {
  std::string text = "process " + std::to_string(dying.pid) + ", which was killed, hangs";
  for (const std::string& setting : dying.settings) {
    text += (&setting == dying.settings.data() ? " in " : " and ") + setting;
  }
  return text;
}

/// Sets `dying` to who keeps the journal still when the wait is over.
Result<Journal> wait_for_journal(const Options& options, const KernelFs& kernel,
                                 std::optional<LockHolder>& dying) {
  const uint64_t until_ns = monotonic_ns() + options.lock_wait_s * 1'000'000'000ULL;
  uint64_t alive_since_ns = 0;
  bool told = false;
  while (true) {
    auto journal = Journal::open(options.run_directory, 0);
    if (journal.ok() || journal.error().code != ErrorCode::busy) return journal;
    const uint64_t now_ns = monotonic_ns();
    const auto holder = find_lock_holder(kernel, options.run_directory + "/journal");
    const bool alive = holder && !holder->dying;
    if (!alive) alive_since_ns = 0;
    if (alive && alive_since_ns == 0) alive_since_ns = now_ns;
    if (alive && now_ns - alive_since_ns >= surely_alive_ns) {
      return busy("another tuneshiftd runs (pid " + std::to_string(holder->pid) + ")");
    }
    if (!alive && now_ns >= until_ns) {
      if (!holder) return journal;
      dying = holder;
      return busy(describe(*holder));
    }
    if (holder && !alive && !told) {
      spdlog::warn("{}; waiting up to {} s for it to end", describe(*holder), options.lock_wait_s);
      told = true;
    }
    poll(nullptr, 0, step_ms);
  }
}

}  // namespace

Result<Journal> open_journal(const Options& options, const KernelFs& kernel) {
  std::optional<LockHolder> dying;
  return wait_for_journal(options, kernel, dying);
}

Result<Journal> open_journal_to_restore(const Options& options, const KernelFs& kernel,
                                        DeadlineFs& patient_kernel) {
  std::optional<LockHolder> dying;
  auto waited = wait_for_journal(options, kernel, dying);
  if (!dying) return waited;
  auto journal = Journal::open_of_dying(options.run_directory);
  if (!journal.ok()) return journal;
  const std::string why = describe(*dying);
  for (const std::string& setting : dying->settings) patient_kernel.set_stuck(setting, why);
  if (!dying->settings.empty()) return journal;
  // Where is not known: whatever it may have been about to write stays as it is.
  for (const JournalEntry& entry : journal.value().read().entries) {
    const auto knob = resolve_knob(kernel, entry.knob);
    if (knob.ok() && (entry.unconfirmed || entry.guarded)) {
      patient_kernel.set_stuck(knob.value().path, why);
    }
  }
  return journal;
}

}  // namespace tuneshift
