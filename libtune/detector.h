// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "libtune/event.h"
#include "libtune/facts.h"
#include "libtune/keeping.h"
#include "libtune/load_change.h"
#include "libtune/process_sample.h"
#include "libtune/result.h"

namespace tuneshift {

struct DetectorSettings {
  uint64_t settle_ms = 2000;  ///< without progress for so long, a load or a suspicion ends
};

/// The format of a file that no rule knows, while its reader may load a model all the same.
inline constexpr const char* unknown_format = "unknown";

/// Decides from what the probes saw and the inspector found which readers are model loads, and
/// which processes serve a model without one. Pure: time comes in as `now_ns` (CLOCK_MONOTONIC),
/// nothing is read. The caller carries out what each change asks for and feeds back the answers.
/// Holds at most max_suspects readers.
class Detector {
 public:
  using Changes = std::vector<LoadChange>;

  static constexpr size_t max_suspects = 4096;

  /// A mapping is a load from so many missed bytes on, or a quarter of the file: tools that list
  /// a model's tensors map all of it for the header, and one fault reads a window.
  static constexpr uint64_t mapping_proof_bytes = 16ULL << 20;

  /// Or from so many jumps on: what lists tensors reads the header in order, and a jump at random
  /// is a page where the mapping is MADV_RANDOM.
  static constexpr uint32_t mapping_proof_jumps = 32;

  /// A reader that stopped and went on so often gets no more help: it only makes knobs flap.
  static constexpr unsigned most_pauses = 8;
  /// An inspection that failed for lack of time or room is tried so often.
  static constexpr unsigned most_looks = 4;
  /// A mapping of a cached file is looked at so often, each time after twice the time: 2 to 62 s.
  static constexpr unsigned most_warm_looks = 5;

  explicit Detector(DetectorSettings settings) : settings_(settings) {}

  void set_settings(DetectorSettings settings) { settings_ = settings; }

  Changes on_event(const Event& event);
  /// The answer to `suspected` and `look_again`.
  Changes on_facts(const Reader& reader, const Result<Facts>& facts, uint64_t now_ns);
  /// The present figures of a process that wants_sample() asked for.
  Changes on_sample(const Reader& reader, const ProcessSample& sample, uint64_t now_ns);
  /// A fresh count between two events; see active_readers().
  Changes on_bytes(const Reader& reader, uint64_t bytes, uint64_t now_ns);
  /// How much of its file was seen to come in this load to a reader that is read ahead of: its
  /// misses tell no longer, and count before they come.
  Changes on_consumed(const Reader& reader, uint64_t bytes, uint64_t now_ns);
  Changes on_process_gone(const ProcessId& process, uint64_t now_ns);
  /// Call at next_deadline_ns(), after on_bytes() for active_readers().
  Changes on_timer(uint64_t now_ns);
  /// Ends a load on a person's word.
  Changes cancel(uint32_t load, uint64_t now_ns);

  /// Whether the next decision about this reader needs its process's figures: ask after on_event()
  /// and on_facts().
  [[nodiscard]] bool wants_sample(const Reader& reader) const;
  /// Readers of running loads.
  [[nodiscard]] std::vector<Reader> active_readers() const;
  /// When on_timer() is due; empty when nothing is going on.
  [[nodiscard]] std::optional<uint64_t> next_deadline_ns() const;

  /// The load while it runs, and for one that ended until the next call of on_timer() or
  /// on_process_gone(); else nullptr.
  [[nodiscard]] const Load* load(uint32_t id) const;
  /// What is known of a reader; nullptr when it is not (or no longer) looked at.
  [[nodiscard]] const Facts* facts(const Reader& reader) const;
  /// The reader that this one is under another name: a sampled one has its process's start to the
  /// clock tick, and on overlayfs and btrfs the device that stat(2) shows. Itself when unknown.
  [[nodiscard]] Reader known_reader(const Reader& sampled) const;
  /// The last event of a reader, with the most bytes that were told of it; nullptr when it is not
  /// (or no longer) looked at.
  [[nodiscard]] const Event* latest(const Reader& reader) const;
  /// What a reader had missed of the file before its present load (Event::bytes counts on).
  [[nodiscard]] uint64_t bytes_before(const Reader& reader) const;
  /// Whether it may be helped now: recognised, or of a running load.
  [[nodiscard]] bool is_undecided_or_loading(const Reader& reader) const;
  /// Whether events of this reader still matter.
  [[nodiscard]] bool watches(const Reader& reader) const;
  /// Every process of whose end on_process_gone() must tell.
  [[nodiscard]] bool knows(const ProcessId& process) const;

 private:
  struct Suspect {
    enum class State {
      asked,       ///< facts are on their way
      unanswered,  ///< there were none; asked again a second later
      absent,      ///< it had closed the file by then; asked again at its next event
      recognised,
      dormant,  ///< stopped before it was decided: no help, watched on
      weighed,  ///< has a cached file mapped for a while: its sample decides whether it serves
      loading,
      serving,  ///< loaded it, or has all of it mapped
      done,
    };
    State state = State::asked;
    Event latest;
    uint64_t first_ns = 0;
    uint64_t bytes_before = 0;  ///< of an earlier load by this reader
    uint64_t bytes_at_end = 0;  ///< bytes_in() when its load was abandoned
    uint64_t consumed = 0;      ///< was seen to come since then, where it is read ahead of
    uint64_t sequential_before = 0;
    uint32_t jumps_before = 0;
    bool mapping_seen = false;
    bool read_seen = false;
    bool is_read_ahead_of = false;
    bool rests = false;  ///< asked or weighed from dormant: it has no help
    unsigned looks = 1;
    unsigned closed_looks = 0;  ///< that found the file closed, before this one
    unsigned warm_looks = 0;
    unsigned pauses = 0;
    uint64_t last_ns = 0;
    uint64_t asked_ns = 0;
    std::optional<uint64_t> next_look_ns;
    std::optional<ProcessSample> at_start;
    uint64_t bytes_at_start = 0;
    uint64_t cached_bytes = 0;
    std::optional<Facts> facts;
    std::string loader_rule;  ///< the rule that makes it a load at once; empty: none
    uint32_t load = 0;
    size_t load_entry = 0;  ///< of its readers, once it is one of them

    /// Whether it faults in more of its mapping than a header.
    [[nodiscard]] bool misses_mapping() const;
    /// What came to it since an earlier load.
    [[nodiscard]] uint64_t bytes_in() const;
  };
  using Suspects = std::map<Reader, Suspect>;

  static constexpr uint64_t ms = 1'000'000;
  static constexpr uint64_t retry_after_ms = 1000;
  static constexpr uint64_t closed_retry_ms = 5000;
  /// Events come in steps (TUNESHIFT_STEP_BYTES): up to one of a file is never announced.
  static constexpr uint64_t step_bytes = 8ULL << 20;

  Suspect* suspect_of(const Event& event, Changes& changes);
  bool make_room(Changes& changes);
  void see_absent(const Event& event, Suspect& suspect, Changes& changes);
  void see_server(const Event& event, Suspect& server, Changes& changes);
  void on_resting_facts(const Reader& reader, Suspect& suspect, const Result<Facts>& facts,
                        uint64_t now_ns, Changes& changes);
  /// The reason why facts end a suspicion; empty when they do not. Makes the others complete.
  std::string judge_facts(Suspect& suspect, Facts& facts) const;
  void decide(const Reader& reader, Suspect& suspect, uint64_t now_ns, Changes& changes);
  void decide_recognised(const Reader& reader, Suspect& suspect, uint64_t now_ns, Changes& changes);
  void weigh(const Reader& reader, Suspect& suspect, const ProcessSample& sample, uint64_t now_ns,
             Changes& changes);
  void begin(const Reader& reader, Suspect& suspect, const std::string& evidence, uint64_t now_ns,
             Changes& changes);
  void serve(const Reader& reader, Suspect& suspect, const std::string& evidence, Changes& changes);
  void reject(const Reader& reader, Suspect& suspect, const std::string& reason, Changes& changes);
  void rest(const Reader& reader, Suspect& suspect, Changes& changes);
  void look_at_resting(const Reader& reader, Suspect& suspect, Changes& changes);
  void rest_again(Suspect& suspect, uint64_t now_ns) const;
  void end(Load& load, Load::State state, const std::string& reason, uint64_t now_ns,
           Changes& changes);
  void forget_ended_loads();
  void count(Load& load, const Reader& reader, Suspect& suspect);
  /// Makes the reader one of the load's, with nothing read.
  static void add(Load& load, const Reader& reader, Suspect& suspect);
  Load* running_load_of(const Reader& reader, const Facts& facts);
  [[nodiscard]] bool serves_already(const Reader& reader, const Facts& facts) const;
  [[nodiscard]] uint64_t deadline_of(const Load& load) const;

  DetectorSettings settings_;
  Suspects suspects_;
  std::map<uint32_t, Load> loads_;
  std::set<ProcessId> serving_;  ///< processes of loads that ended, and those that need none
  uint32_t last_load_ = 0;
};

}  // namespace tuneshift
