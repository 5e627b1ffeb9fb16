// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "libtune/kept_value.h"
#include "libtune/knob_writer.h"

namespace tuneshift {

/// Keeps the originals right while tuned changes its profile under our values. What it decides for
/// a knob is in docs/architecture.md, "Beside tuned". It writes no knob: the next converge() does.
class KnobFollower {
 public:
  KnobFollower(const KernelFs& kernel, Journal& journal, KnobWriter& writer, Clocks clocks)
      : kernel_(kernel), journal_(journal), writer_(writer), clocks_(clocks) {}

  /// What an earlier process knew.
  void load(const JournalContents& contents);

  /// See Applier::follow().
  Receipt follow(const KeptValues& now, const std::optional<KeptValues>& at_death,
                 bool may_have_rolled_back);

 private:
  /// What tuned may have captured of ours, and what it would have captured without us.
  struct Capture {
    std::string base;
    std::set<std::string> ours;
    bool confirmed = true;  ///< false: tuned was not seen to keep the knob since
    bool sure = true;       ///< false: what tuned kept before may have been the truth
  };

  /// A value that tuned keeps.
  struct Kept {
    std::string value;
    bool seen = false;  ///< it was applied: what comes later is somebody else's
  };

  /// One knob's turn.
  struct Look {
    Knob knob;
    std::string shown;
    KnobRecord* record;  ///< nullptr: neither wanted nor unsettled
    bool was_kept;       ///< when last followed, so what tuned captured it captured before that
    bool at_death;
  };

  void forget_all();
  /// Whether a value that tuned was seen to have set, and we not to touch, stands no longer.
  [[nodiscard]] bool has_rolled_back() const;
  /// `at_death`: only what was not seen to be applied, or has changed.
  void look(const KeptValues& now, bool at_death, Receipt& receipt);
  [[nodiscard]] bool is_seen(const std::string& name, const KeptValues& now) const;
  Look look_at(const Knob& knob, const std::string& shown);
  void follow(const Look& look, const KeptValues& now, std::map<std::string, Kept>& kept,
              Receipt& receipt);
  /// The functions below return whether tuned's value was seen to be applied.
  bool on_kept(const Look& look, const Kept& kept, Receipt& receipt);
  bool on_kept_over_ours(const Look& look, const Kept& kept, Receipt& receipt);
  bool on_kept_unseen(const Look& look, const Kept& kept, Receipt& receipt);
  /// Whether it was tuned that made the knob what it shows, over ours.
  [[nodiscard]] bool is_of_tuned(const Look& look, const Kept& kept) const;
  void on_released(const Look& look, Receipt& receipt);
  /// What stands without us if tuned's value hides behind one of ours: equal to it, or a condition
  /// that it meets.
  [[nodiscard]] std::optional<std::string> hidden(const Look& look, const std::string& value,
                                                  const std::string& original) const;
  [[nodiscard]] const Capture* captured(const Knob& knob) const;
  /// Whether what tuned captured when it came may be ours.
  [[nodiscard]] bool may_have_captured(const Look& look) const;
  /// `ours` was in force when tuned came; `standing` is what stands without us since then. The base
  /// of a capture that is there already stays.
  void capture(const Look& look, const std::vector<std::string>& ours, const std::string& base,
               const std::string& standing);
  /// Whether tuned's value stands, and nothing of ours; then notes what it took before that.
  bool confirm(const Look& look, const std::string& value, Receipt& receipt);
  void release(const std::string& knob);
  /// From now on the knob goes back to `original`; what it shows is taken for ours where that is
  /// something else.
  void rebase(const Look& look, const std::string& original, const std::string& why,
              Receipt& receipt);
  [[nodiscard]] std::string identity_of(const Knob& knob) const;
  void settle(const Look& look);
  void adopt(const Look& look, const std::string& original);

  const KernelFs& kernel_;
  Journal& journal_;
  KnobWriter& writer_;
  Clocks clocks_;
  std::map<std::string, Kept> kept_;
  std::map<std::string, Capture> captures_;
};

}  // namespace tuneshift
