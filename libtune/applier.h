// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libtune/catalogue.h"
#include "libtune/desired.h"
#include "libtune/foreign_writes.h"
#include "libtune/handover.h"
#include "libtune/journal.h"
#include "libtune/kept_value.h"
#include "libtune/kernel_fs.h"
#include "libtune/result.h"

namespace tuneshift {

enum class KnobState {
  ours,     ///< shows our value
  yielded,  ///< somebody else changed it: left alone until re-armed
  failed,   ///< the kernel refused; `why` has its error
  absent,   ///< wanted, but this machine has no such file
  waiting,  ///< wanted, and put off: `why` says until when
};

/// "ours", "yielded", "failed", "absent" or "waiting".
const char* to_string(KnobState state);

/// One knob that is wanted, or was and is not settled.
struct KnobStatus {
  std::string knob;
  std::string original;
  std::string current;
  std::string wanted;
  std::string owner;
  std::string why;
  KnobState state = KnobState::ours;
  uint64_t since_us = 0;  ///< CLOCK_REALTIME of the last change of state or value
};

enum class ChangeKind { written, restored, failed, yielded, absent, put_off, rebased };

/// "written", "restored", "failed", "yielded", "absent", "put-off" or "rebased".
const char* to_string(ChangeKind kind);

/// What was done to one knob.
struct Change {
  ChangeKind kind = ChangeKind::written;
  std::string knob;
  std::string from;
  std::string to;  ///< what the kernel shows now; for `yielded` the other's value
                   ///< For `rebased` these two are the originals before and after.
  std::string owner;
  std::string profile;
  std::string why;          ///< the lease's reason, or the kernel's error
  uint64_t done_ns = 0;     ///< CLOCK_MONOTONIC when the write returned
  std::string writer = {};  ///< for `yielded`: who it was, empty when that is not known
};

/// Knobs already right are not in it.
using Receipt = std::vector<Change>;

/// One row of a dry run.
struct PlanRow {
  std::string knob;
  std::string current;
  std::string wanted;  ///< the text that would be written; equals current where nothing would be
  std::string owner;   ///< who holds it now, empty when nobody
  std::string why;     ///< also why it would not be written
  bool would_write = false;
};

/// Which knobs to converge: those that freeze a queue take 16–28 ms each and go last.
enum class Pass { quick, freezing };

/// The two clocks a change is stamped with. Passed in: libtune has no clock of its own.
struct Clocks {
  uint64_t (*monotonic_ns)();
  uint64_t (*realtime_us)();
};

class KnobFollower;
class KnobWriter;

/// Moves the kernel from what it is to what is wanted by the smallest set of writes, and back.
/// Per knob: read; journal the intent; compare; write; read back; journal the read-back.
/// Not thread-safe: one writer owns it.
class Applier {
 public:
  Applier(KernelFs& kernel, Journal& journal, Clocks clocks);
  Applier(const Applier&) = delete;
  Applier& operator=(const Applier&) = delete;
  ~Applier();

  /// Writes what differs from `desired` in this pass, and restores what is in force of ours but no
  /// longer wanted. Never dips through the original value.
  Receipt converge(const Desired& desired, Pass pass);

  /// Puts every value of ours back, also those of a journal that an earlier process left behind:
  /// call it once before the first converge(), which would take those for originals.
  /// Values that somebody else changed stay. Entries that could not be restored stay in the
  /// journal. Where it cannot be read nothing is written until it can.
  Receipt restore_all();

  /// Takes over what an earlier daemon has in force, instead of restore_all(): the next converge()
  /// writes what differs and puts back what is no longer wanted. What it had yielded stays so.
  /// False, and nothing is taken over, when the journal cannot be read.
  bool adopt(const std::vector<Handover::Knob>& knobs);
  /// What the next daemon is told beside the journal, for its adopt(). The last chance for lines of
  /// the journal that found no room.
  [[nodiscard]] std::vector<Handover::Knob> hand_over() const;

  /// What converge() would do, without writing.
  [[nodiscard]] std::vector<PlanRow> plan(const Desired& desired) const;

  /// Knobs that are ours, yielded, failed or absent, sorted by name, with their current values.
  [[nodiscard]] std::vector<KnobStatus> knobs() const;

  /// Yields the knobs that somebody else changed; what it returns was not told before. Looks at all
  /// of them, or at those alone that these writes may have changed; the name "" stands for any.
  Receipt verify(const Writers& writers = {{"", ""}});

  /// Who is named for what is yielded otherwise than by verify() with its writer; "" for any knob.
  void know(const Writers& writers);

  /// Forgets the knobs of devices that are gone, also where others have their names by now: their
  /// values went with them.
  Receipt forget_gone();

  /// Whether a knob waits for its turn, or could not be put back: try again later.
  [[nodiscard]] bool has_unsettled() const;

  /// Tells what tuned keeps in force now; what it keeps no longer it has rolled back. If it was
  /// killed meanwhile, or ended without a rollback, `at_death` is what it kept then; where
  /// `may_have_rolled_back`, values of tuned's that stood and stand no longer tell that it did. One
  /// that it set under ours becomes the original; one of ours that it had taken for its original,
  /// and put back, is ours again. Writes nothing: the next converge() does. What it returns are the
  /// knobs whose original changed, and those that it yielded.
  Receipt follow(const KeptValues& now, const std::optional<KeptValues>& at_death = {},
                 bool may_have_rolled_back = false);

  /// What was put back until now, tuned has not found: for where none runs that follow() could tell
  /// of.
  void forget_recent();

  /// Takes a yielded knob (all when empty) back under control: what stands becomes its original.
  /// not_found when the knob is not yielded.
  Status rearm(const std::string& knob);

  /// Knobs of ours that show what the kernel gives them by itself, with those that were yielded to
  /// nobody known since then (CLOCK_REALTIME): the read-ahead of NVMe disks, which it sets anew
  /// from the queue's limits when a controller comes up again (block/blk-settings.c:
  /// blk_queue_io_opt(), later blk_apply_bdi_limits(), which in the newest only raises it).
  [[nodiscard]] std::vector<std::string> reset_by_kernel(uint64_t since_us) const;

  /// Text for `spec` on a knob that shows `original`; not_found when no choice is offered,
  /// invalid_argument when the original is no number and one is needed.
  [[nodiscard]] Result<std::string> resolve_value(const Knob& knob, const ValueSpec& spec,
                                                  const std::string& original) const;

 private:
  struct Turn;  // one knob's place in a pass
  /// False when it cannot be read: what a knob shows now may be no original then.
  bool load_journal(Receipt& receipt);
  void run(std::vector<Turn> turns, const Desired& wants, Receipt& receipt);
  void forget_settled();
  KernelFs& kernel_;
  Journal& journal_;
  Clocks clocks_;
  std::unique_ptr<KnobWriter> writer_;
  std::unique_ptr<KnobFollower> follower_;
  bool journal_is_unread_ = false;
};

}  // namespace tuneshift
