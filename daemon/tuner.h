// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/accelerator.h"
#include "daemon/dropper.h"
#include "daemon/load_book.h"
#include "daemon/loop.h"
#include "daemon/process_watch.h"
#include "daemon/recorder.h"
#include "daemon/writer.h"
#include "libtune/config.h"
#include "libtune/device_event.h"
#include "libtune/handover.h"
#include "libtune/load_leases.h"
#include "libtune/machine.h"
#include "libtune/neighbours.h"
#include "libtune/policy.h"
#include "libtune/recorded_detector.h"

namespace tuneshift {

/// What the tuner asks of the probes, the inspector and the watch of tuned.
struct Senses {
  std::function<void(const Reader&, uint64_t file_size)> inspect;
  std::function<void(const Reader&)> silence;
  std::function<uint64_t(const Reader&)> bytes_seen;
  std::function<uint64_t(const Reader&)> position;  ///< where its last miss ended
  std::function<void(bool on)> watch_neighbours;    ///< by the next function
  std::function<std::vector<NeighbourReads>()> neighbour_reads;
  std::function<void()> take_events;                          ///< hands on all that wait
  std::function<void(const std::vector<Reader>&)> loads_run;  ///< the readers of all of them
  std::function<void()> knobs_changed;                        ///< written, put back or yielded
};

/// Whom the tuner tells: the bus.
struct TunerObserver {
  std::function<void(uint32_t load)> load_added;
  std::function<void(uint32_t load)> load_changed;
  std::function<void(uint32_t load)> load_removed;
  std::function<void()> state_changed;  ///< state, mode, counts or active profiles
  std::function<void(const std::string& profile, const std::string& reason, uint32_t written,
                     uint32_t failed)>
      profile_applied;
  std::function<void(const Change&)> knob_yielded;
};

/// Carries events to the detector, its conclusions to the policy, and the policy's wishes to the
/// writer and the re-window. Lives on the loop's thread.
class Tuner {
 public:
  /// Paths of the helpers that it starts itself.
  struct Programs {
    Accelerator::Programs prefetching;
    std::string drop;  ///< tuneshift-drop
  };

  Tuner(Loop& loop, const KernelFs& kernel, Writer& writer, Recorder& recorder,
        const Config& config, Profiles profiles, ProcessRules rules, Programs programs);

  void set_senses(Senses senses) { senses_ = std::move(senses); }
  void set_observer(TunerObserver observer) { observer_ = std::move(observer); }

  /// Tells of what the detector is told and decides; empty: no more.
  void listen(RecordedDetector::Listener listener) { detector_.listen(std::move(listener)); }

  void on_event(const Event& event);
  /// What no probe told of. `from_birth`: these are all the bytes of a process that the detector
  /// does not know yet, since its start. False when no more is wanted of this reader.
  bool on_sampled(Event event, bool from_birth);
  void on_facts(const Reader& reader, const Result<Facts>& facts);

  /// Forgets what is gone and helps what has come, where a lease covers it.
  void on_devices(const std::vector<DeviceEvent>& events);

  /// A person's or a client's lease; the caller removes it.
  uint64_t add_lease(Lease lease);
  void remove_lease(uint64_t id);
  /// not_found for an unknown profile; an empty one takes the last switch back.
  Status switch_profile(const std::string& profile, const std::string& who);
  /// Also ends a pause.
  void set_mode(Mode mode, const std::string& who);
  /// Paused for so long, then the mode that was in force before.
  void pause(uint64_t seconds, const std::string& who);
  /// A mode set since the start stays, unless the configuration's own has changed.
  void reload(const Config& config, Profiles profiles, ProcessRules rules);
  /// not_found when no such load runs.
  Status cancel_load(uint32_t id);

  /// Adds the mode, the switch, and who loads and serves to what the next daemon in this process is
  /// told.
  void hand_over(Handover& handover);
  /// Goes on where the daemon before this one ended. Nothing is written or put back before
  /// taken_over(): the holds come in between.
  void take_over(const Handover& handover);
  void taken_over();

  /// The kernel has answered a call that had been given up: what is wanted is looked at again.
  void on_kernel_answer();
  /// What tuned keeps in force now; see Applier::follow().
  void follow(const KeptValues& now, const std::optional<KeptValues>& at_death,
              bool may_have_rolled_back);
  /// See Applier::forget_recent().
  void forget_recent();

  /// The windows of readers that are helped, once the read-ahead is what it was: at the daemon's
  /// end.
  void put_windows_back();

  /// Takes a yielded knob (all when empty) back; answers later, from the loop.
  void rearm(const std::string& knob, std::function<void(const Status&)> answer);
  /// Compares every wanted knob with the kernel; answers later, from the loop.
  /// False when too many questions wait.
  bool verify(std::function<void(const std::vector<KnobStatus>&)> answer);

  /// Yields the knobs that these writes changed; "" stands for any knob.
  void look_at(const Writers& writers);

  /// Who wrote what lately, and is named for a change that something else finds than look_at().
  void know(const Writers& writers);

  /// What a whole-machine lease touches, and what profiles ask of this machine.
  const Machine& machine();
  /// The store that a reader's file is on; one without names when it cannot be told.
  const Store& store_of(const Reader& reader);
  [[nodiscard]] const Config& config() const { return config_; }
  [[nodiscard]] const Policy& policy() const { return policy_; }
  [[nodiscard]] const LoadBook& loads() const { return book_; }
  [[nodiscard]] size_t servers() const { return leases_.servers().size(); }
  [[nodiscard]] const std::string& switched_profile() const { return switched_profile_; }

 private:
  /// Where the help for one reader stands.
  struct Helped {
    uint32_t load = 0;
    std::string assistance = "none yet";  ///< as people are told
    uint64_t suspected_ns = 0;
    std::string path;  ///< escaped
    std::vector<OpenDescriptor> descriptors;
    bool rewindow_due = false;
    bool put_back_due = false;
    std::optional<uint64_t> turn;  ///< the apply whose receipt it waits for
    bool looked_at = false;        ///< whether its window helps, at least once
    bool rewindowed = false;
    bool shared = false;          ///< others read from its store
    unsigned reset = 0;           ///< descriptors, or that would have been in mode observe
    unsigned open = 0;            ///< of `descriptors`: still were when they were to be reset
    bool ahead_over = false;      ///< a worker has been there, or could not be; or it was told of
    unsigned ahead_looks = 0;     ///< at a suspect that has not read enough yet
    uint64_t first_bytes_us = 0;  ///< AssistanceQuestion::first_bytes_us
    uint64_t since_ns = 0;        ///< of its first help, and what it had missed by then
    uint64_t since_bytes = 0;

    /// Descriptors with O_DIRECT.
    [[nodiscard]] unsigned direct() const;
  };

  void carry_out(const Detector::Changes& changes);
  void on_suspected(const LoadChange& change);
  void on_recognised(const LoadChange& change);
  void on_begun(const LoadChange& change);
  void on_ended(const LoadChange& change);
  void on_serving(const LoadChange& change);
  /// Takes the sample that the detector waits for, if it does.
  void take_sample(const Reader& reader);
  /// Looks at the machine's memory for this load: at most once in a while, unless it ends.
  void look_at_memory(LoadView& view, uint64_t now_ns, bool at_end);
  void drop(const LoadChange& change);
  /// Its help ends: what was reset goes back once the read-ahead has.
  void end_help(const Reader& reader, Helped& helped);
  void on_process_gone(const ProcessId& process);
  void on_timer();
  void set_timers();

  void forget(const DeviceEvent& removed);
  /// machine() without the stores that are being set up.
  Machine settled_machine();
  /// Asks anew for what the kernel set as a disk came up again: nobody meant it.
  void take_back_resets();
  /// The stores of holds that name devices, but for those.
  void look_up_held();
  /// Brings what is wanted up to date once the loop has gone through what is there: of many readers
  /// that come or end at once not each costs a decision and a turn of the writer.
  void reconcile_soon();
  void reconcile();
  void observe(const Desired& desired);
  void apply(const Desired& desired);
  void on_receipt(const Receipt& receipt);
  void retry_later();
  void rearm_idle();
  void change_mode(Mode mode, const std::string& who);
  /// Readers' windows are ours in mode auto alone.
  void turn_windows(Mode next);
  /// Re-windows the readers whose store's read-ahead is in force by now.
  void rewindow_due_readers();
  void rewindow_reader(const Reader& reader, Helped& helped);
  /// Shows it with the reader's load, now or once it has one.
  void assist(Helped& helped, const std::string& text);
  /// Starts a worker where the window does not help; again with more evidence is harmless.
  void read_ahead_of(const Reader& reader, Helped& helped);
  [[nodiscard]] AssistanceQuestion question_of(const Reader& reader, const Helped& helped,
                                               const Facts& facts);
  void look_at_closed_readers();
  /// Looks who else reads from the stores of those who are helped, while any are. For reconcile():
  /// what follows from it is decided there.
  void set_neighbour_timer();
  void look_at_neighbours();
  /// Whether its reads are a load's, as far as is known, and nobody else's.
  [[nodiscard]] bool may_load(const Reader& reader, const Helped& helped) const;
  /// Whether anything changed: then reconcile().
  bool share_stores();
  void share_store(const Reader& reader, Helped& helped);
  /// If its rule says so, and nobody else has part in it.
  void drop_pages_of(const Load& load);
  void on_dropped(uint32_t load, const DropTask& task, const DropReport& report);
  void on_consumed(const Reader& reader, uint64_t bytes);
  void on_ahead_ended(const Reader& reader, const PrefetchProgress& progress);
  void on_ahead_free(const Reader& reader);
  /// By the reader itself, in its present load.
  [[nodiscard]] uint64_t bytes_missed(const Reader& reader) const;
  /// Its first help begins now: the rate until then is the rate without.
  void note_help(Helped& helped, uint64_t missed_bytes);
  void tell_state();
  /// Its load is found again, or it has gone.
  void end_inherited_load(const ProcessId& process);
  /// Those that were not found again had read all: they serve.
  void settle_inherited_loads();

  Loop& loop_;
  const KernelFs& kernel_;
  Writer& writer_;
  Recorder& recorder_;
  Config config_;
  RecordedDetector detector_;
  ProcessRules rules_;
  Policy policy_;
  LoadLeases leases_;
  Machine machine_;  ///< read when it is asked for after a device came or went
  bool machine_is_old_ = true;
  std::map<std::pair<uint32_t, uint32_t>, Store> stores_;  ///< of readers, by their file's device
  std::map<std::pair<uint32_t, uint32_t>, uint64_t> storeless_ns_;  ///< when none was found for it
  LoadBook book_;
  ProcessWatch processes_;
  Senses senses_;
  TunerObserver observer_;
  Timer detector_timer_;
  Timer policy_timer_;
  Timer retry_timer_;
  Timer pause_end_;
  Timer settled_timer_;
  Timer reset_timer_;  ///< after a disk came up again
  Mode mode_before_pause_ = Mode::observe;
  bool pausing_ = false;
  uint64_t pause_until_ns_ = 0;
  uint64_t reset_since_us_ = 0;  ///< CLOCK_REALTIME; from when on disks came up again
  uint64_t reset_until_ns_ = 0;
  bool taking_over_ = false;
  bool watches_neighbours_ = false;
  unsigned retries_ = 0;

  Dropper dropper_;
  Accelerator accelerator_;
  Timer closed_timer_;  ///< for suspects whose descriptor is closed: no event tells how they go on
  Timer neighbour_timer_;
  Neighbours neighbours_;
  std::set<std::string> shared_bdis_;
  std::map<Reader, Helped> helped_;
  std::map<std::string, uint64_t> noticed_ns_;  ///< lease owner → when its cause was noticed
  std::map<std::string, uint64_t> settling_;    ///< new bdi → when its set-up is over
  Desired submitted_;
  bool reconcile_due_ = false;
  bool readers_changed_ = false;  ///< senses_ have not been told of all that loads read
  bool apply_anew_ = false;       ///< also what was submitted already
  bool looking_ = false;  ///< a look is under way: one at a time, however many writes are told
  bool telling_ = false;  ///< known_writers_ are on their way to the applier: the latest alone
  Writers writers_;       ///< whose knobs the next look is for
  Writers known_writers_;
  std::map<std::string, unsigned> yields_;  ///< knob → times given up since last asked for
  uint64_t turns_ = 0;                      ///< applies handed to the writer
  uint64_t turns_done_ = 0;                 ///< quick passes of them that are done
  std::set<std::pair<std::string, std::string>> would_;  ///< told already: knob, wanted text
  std::string switched_profile_;
  uint64_t switched_lease_ = 0;
  std::map<ProcessId, uint64_t> inherited_loads_;  ///< leases, until they are found again
  Timer inherited_timer_;
};

}  // namespace tuneshift
