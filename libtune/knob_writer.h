// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "libtune/applier.h"

namespace tuneshift {

/// What is known of one knob that is wanted, or was and is not settled. All texts are normal ones.
struct KnobRecord {
  Knob knob;
  std::string device;                ///< device_identity() of the device that all this is about
  std::string original;              ///< the baseline; meaningless without `has_original`
  std::vector<std::string> ours;     ///< what the kernel may show because of us, while `in_force`
  std::vector<std::string> gave_up;  ///< what was ours when it was yielded
  std::string wanted;                ///< the text that is asked for
  std::string written;               ///< the text whose write led to `ours`, before rounding
  std::string refused;               ///< a text that the kernel will not take, not tried again
  std::string owner;
  std::string profile;
  std::string why;
  std::string error;     ///< why it is yielded, failed or absent
  std::string writer;    ///< to whom it is yielded; empty when that is not known
  std::string moved_by;  ///< the knob whose write moved this one
  KnobState state = KnobState::ours;
  bool has_original = false;
  bool in_force = false;     ///< the journal has it unsettled
  bool unconfirmed = false;  ///< as in JournalEntry
  bool guarded = false;      ///< as in JournalEntry
  bool unanswered = false;   ///< a write that may move it has not returned: it may land yet
  unsigned unlanded = 0;     ///< writes in a row that did not return in time and never landed
  bool is_wanted = false;
  uint64_t since_us = 0;
};

/// What a knob has shown because of us since somebody last asked.
struct RecentValues {
  std::string original;  ///< what stood without us
  std::vector<std::string> ours;
  bool is_new = true;  ///< it has changed because of us since then
};

/// A request beside those of others: what is shown is the strongest of all, and proves nothing.
bool is_request(const KnobRecord& record);

/// Whether a read says that the knob's device is not there any more.
bool is_removed(const Result<std::string>& shown, const Knob& knob);

/// The one of `writers` who wrote the knob, its twin, or any; nullptr when none did.
const std::string* find_writer(const Writers& writers, const KnobRecord& record);

/// Writes one knob at a time by the protocol of the journal, and keeps what is known of each. What
/// a write moved besides its own knob is told by take_moved(): its turn comes next.
class KnobWriter {
 public:
  KnobWriter(KernelFs& kernel, Journal& journal, Clocks clocks);

  std::map<std::string, KnobRecord>& records() { return records_; }
  [[nodiscard]] const std::map<std::string, KnobRecord>& records() const { return records_; }

  /// The knob's record, made when there is none.
  KnobRecord& record(const Knob& knob);

  /// Makes the knob what `want` says, unless somebody else changed it.
  void take(KnobRecord& record, const Want& want, Receipt& receipt);

  /// Makes it its original again, unless somebody else changed it.
  void put_back(KnobRecord& record, Receipt& receipt);

  /// Only looks: yields a knob that somebody else changed. `writer` is who did, if anybody.
  void check(KnobRecord& record, Receipt& receipt, const std::string& writer = {});
  /// See Applier::know().
  void know(const Writers& writers) { writers_ = writers; }
  /// Whether somebody is known to have written what the knob shows; those whose writes are told
  /// otherwise, as tuned's are, are never among them.
  [[nodiscard]] bool has_writer(const KnobRecord& record) const;

  /// Leaves it alone for a reason that is not the kernel's.
  void refuse(KnobRecord& record, const Want& want, const std::string& why, Receipt& receipt);

  /// Tells of a knob that cannot go back because the one that moved it, `mover`, did not.
  void leave_moved(KnobRecord& record, const std::string& mover, Receipt& receipt);

  /// Whether the record is about a device that is no more, or another has its name by now.
  [[nodiscard]] bool is_gone(const KnobRecord& record) const;

  /// Forgets all about a knob whose device is gone: its value went with it.
  void lose(KnobRecord& record, Receipt& receipt);

  /// Names of the knobs that writes moved since the last call.
  std::vector<std::string> take_moved();

  /// By knob, the present ones included, since the last call of forget_recent().
  [[nodiscard]] const std::map<std::string, RecentValues>& recent() const { return recent_; }
  void forget_recent();
  /// Something else stands without us now.
  void remember_original(const std::string& knob, const std::string& original);

  /// Whether `current` is what this knob shows when nobody else touched it.
  static bool is_expected(const KnobRecord& record, const std::string& current);

  [[nodiscard]] Change change(ChangeKind kind, const KnobRecord& record, const std::string& from,
                              const std::string& to) const;

 private:
  /// A knob that a write to another one may move, and what it showed before that write.
  struct Guard {
    Knob knob;
    std::string device;  ///< device_identity() of then
    std::string before;
    bool excluded = false;  ///< 0 for as long as the other is in force: not to be put back yet
    bool is_guest = false;  ///< lives with the mover: gone for as long as the other is in force
  };
  using Guards = std::vector<Guard>;
  /// Knobs of others that a write without an answer may move.
  struct LeftGuards {
    std::string mover_showed;  ///< before that write
    Guards guards;
  };

  /// What a knob and those that its write may move show right before that write.
  enum class Look {
    same,
    changed,        ///< the knob itself: somebody else's
    guard_changed,  ///< one that it may move
    unprepared,     ///< it cannot be read, or not be journalled
    gone,           ///< its device is
  };

  void write(KnobRecord& record, const std::string& current, const std::string& text,
             Receipt& receipt);
  /// Records a write that may land later: it stays in force until the kernel answers again.
  void leave_unanswered(KnobRecord& record, const std::string& current, const Guards& guards,
                        const Error& error, Receipt& receipt);
  /// What became of it: a file that answers again is done with all that was written before.
  void learn(KnobRecord& record, const std::string& current, Receipt& receipt);
  /// Journals what a write may move, and `text` as its intent (nullptr: the original goes back,
  /// with or without room in the journal); then looks, next to the write. Only after Look::same may
  /// be written, and settle_guards() follows. Otherwise nothing is left guarded, and `seen` is what
  /// the knob shows, or the reason.
  Look prepare(KnobRecord& record, const std::string& current, const std::string* text,
               Guards& guards, std::string& seen, Receipt& receipt);
  void confirm(KnobRecord& record, const std::string& shown);
  void remember(const KnobRecord& record);
  void settle(KnobRecord& record);
  /// Makes the record one of the device that has the knob's name now.
  void renew(KnobRecord& record, Receipt& receipt);
  void yield(KnobRecord& record, const std::string& theirs, Receipt& receipt,
             const std::string& writer = {});
  void fail(KnobRecord& record, KnobState state, const std::string& why, Receipt& receipt);
  Status write_original(const KnobRecord& record);
  /// What a write to `mover`, which shows `current`, may move, and what that shows. An error when
  /// it cannot be read.
  Result<Guards> find_guards(const KnobRecord& mover, const std::string& current, Receipt& receipt);
  /// An error when a line could not be journalled.
  Status journal_guards(const Guards& guards);
  Look look_again(const KnobRecord& record, const std::string& current, const Guards& guards,
                  std::string& seen);
  /// Nothing was written: the guards are as they were.
  void release_guards(const Guards& guards);
  /// Records what the write did move.
  void settle_guards(const KnobRecord& mover, const Guards& guards, Receipt& receipt);
  void settle_guard(const KnobRecord& mover, const Guard& guard, Receipt& receipt);
  /// Leaves them open: what a write to `mover`, which shows `current`, moves is not known before it
  /// returns.
  void leave_guards(const KnobRecord& mover, const std::string& current, const Guards& guards);
  /// The kernel has answered, and `mover` shows `current`: what others own goes back where the
  /// write has landed. Nothing else is known where `current` is nullptr: all stays as it is.
  void settle_left_guards(const KnobRecord& mover, const std::string* current, Receipt& receipt);
  KnobRecord& moved_record(const KnobRecord& mover, const Guard& guard);
  [[nodiscard]] Result<Knob> twin_of(const KnobRecord& record) const;
  Status write_zero(const KnobRecord& record, const Knob& twin);
  bool twin_is_yielded(const KnobRecord& record);
  /// The record of the knob that this one lives with, while a value of ours stands there: until it
  /// is back, this one's file is gone, or another's. Else nullptr.
  [[nodiscard]] const KnobRecord* changed_host(const KnobRecord& record) const;
  /// Whether a guest's value may be our doing: the kernel's own where its host came back unseen.
  [[nodiscard]] bool is_guest_of_ours(const KnobRecord& record, const std::string& current) const;
  /// We have put the host back: what its guests show is the kernel's, and theirs go back next.
  void expect_guests(const KnobRecord& host);
  /// Somebody else's value stands there: what lived with the former one is theirs as well.
  void let_go_of_guests(const KnobRecord& host, Receipt& receipt);
  KnobRecord* find(const std::string& name);
  void set_state(KnobRecord& record, KnobState state);

  KernelFs& kernel_;
  Journal& journal_;
  Clocks clocks_;
  std::map<std::string, KnobRecord> records_;
  std::vector<std::string> moved_;
  std::map<std::string, LeftGuards> left_;  ///< by mover
  std::map<std::string, RecentValues> recent_;
  Writers writers_;  ///< known beforehand
};

}  // namespace tuneshift
