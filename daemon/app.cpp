// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/app.h"

#include <malloc.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>
#include <variant>

#include "daemon/bus_service.h"
#include "daemon/deadline_fs.h"
#include "daemon/device_watch.h"
#include "daemon/handover_process.h"
#include "daemon/hold_book.h"
#include "daemon/inspector.h"
#include "daemon/knob_backends.h"
#include "daemon/open_journal.h"
#include "daemon/pinned_file.h"
#include "daemon/probes.h"
#include "daemon/recorder.h"
#include "daemon/sampler.h"
#include "daemon/sysctl_watch.h"
#include "daemon/trace_book.h"
#include "daemon/tuned_watch.h"
#include "daemon/tuner.h"
#include "daemon/waiting_events.h"
#include "daemon/writer.h"
#include "libtune/journal.h"
#include "libtune/topology.h"

namespace tuneshift {

namespace {

// The bus shows queues: what hangs there must not hold up its other answers.
constexpr DeadlineLimits bus_limits{std::chrono::milliseconds(15)};
// A load without progress for the settle time has ended: two looks must fit into it.
constexpr uint64_t fastest_look_ms = 100;
constexpr uint64_t slowest_look_ms = 1000;
constexpr uint64_t restore_deadline_ns = 20'000'000'000;
constexpr size_t helper_image_bytes = 1
                                      << 20;  // what is loaded comes first, debug information last
constexpr int priority = -10;                 // nice value; the inspector inherits it
constexpr rlim_t wanted_descriptors = 16384;  // a pidfd for each suspect, and then some

void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted_descriptors) return;
  limit.rlim_cur = std::min(std::max(limit.rlim_max, limit.rlim_cur), wanted_descriptors);
  setrlimit(RLIMIT_NOFILE, &limit);
}

void go_before_loaders() {
  // Help that comes late is no help: a few ms of CPU a load, ahead of the program that loads.
  setpriority(PRIO_PROCESS, 0, priority);
}

uint64_t look_period_ms(const Config& config) {
  return std::clamp(config.settle_ms / 2, fastest_look_ms, slowest_look_ms);
}

std::string helper_path(const Options& options, const KernelFs& kernel) {
  if (!options.helper.empty()) return options.helper;
  auto self = kernel.read_link("proc/self/exe");
  if (self.ok()) {
    const auto beside = std::filesystem::path(self.value()).parent_path() / "tuneshift-inspect";
    if (access(beside.c_str(), X_OK) == 0) return beside;
  }
  return TUNESHIFT_HELPER;
}

// They lie beside one another.
Tuner::Programs programs(const Options& options, const KernelFs& kernel) {
  const std::filesystem::path beside = helper_path(options, kernel);
  const auto other = [&](const char* name) -> std::string {
    return std::filesystem::path(beside).replace_filename(name);
  };
  return {{other("tuneshift-prefetch"), other("tuneshift-follow")}, other("tuneshift-drop")};
}

void log_changes(Recorder& recorder, const Receipt& receipt) {
  for (const Change& change : receipt) recorder.add_change(change, 0);
}

bool all_restored(const Receipt& receipt) {
  return std::none_of(receipt.begin(), receipt.end(),
                      [](const Change& change) { return change.kind == ChangeKind::failed; });
}

/// All parts of a running daemon, made in the order in which they need each other.
class Daemon {
 public:
  Daemon(const Options& options, KernelFs& kernel, DeadlineFs& patient_kernel,
         const Settings& settings, Applier& applier, Recorder& recorder)
      : options_(options),
        recorder_(recorder),
        patient_kernel_(patient_kernel),
        bus_kernel_(kernel, bus_limits),
        writer_(loop_, applier),
        tuner_(loop_, bus_kernel_, writer_, recorder, settings.config, settings.profiles,
               settings.rules.processes, programs(options, kernel)),
        holds_(loop_, bus_kernel_, tuner_, recorder),
        traces_(loop_, bus_kernel_, tuner_),
        probes_(
            {.size_floor_bytes = settings.config.size_floor_bytes,
             .selftest_directory = options.state_directory,
             .off = settings.config.signals_off},
            [this](const Event& event) { on_event(event); },
            [this](const SysctlWrite& write) { on_sysctl_write(write); }),
        waiting_events_(loop_, probes_, [this] { return dispatch(); }),
        sysctl_watch_(
            loop_, kernel, [this](const Writers& writers) { tuner_.look_at(writers); },
            [this](const Writers& writers) { tuner_.know(writers); }),
        // An evicted helper comes back behind the loader's own reads: 25 ms later on a slow disk.
        helper_image_(helper_path(options, kernel), helper_image_bytes),
        inspector_(loop_.get(), helper_path(options, kernel), Inspector::Limits(),
                   [this](const Reader& reader, const Result<Facts>& facts) {
                     tuner_.on_facts(reader, facts);
                   }),
        tuned_(
            loop_, kernel, options.tuned,
            [this](const KeptValues& now, const std::optional<KeptValues>& at_death,
                   bool may_have_rolled_back) {
              tuner_.follow(now, at_death, may_have_rolled_back);
            },
            [this](const std::string& problem) { recorder_.warn(problem); }),
        bus_({loop_, bus_kernel_, writer_, recorder, tuner_, holds_, probes_,
              [this] { return reload(); }, tuned_, traces_}),
        devices_(loop_,
                 [this](const std::vector<DeviceEvent>& events) {
                   tuner_.on_devices(events);
                   on_devices();
                 }),
        kernel_(kernel),
        sampler_(loop_, bus_kernel_, look_period_ms(settings.config),
                 {[this, floor = settings.config.size_floor_bytes](const ProcessId& process) {
                    inspector_.list_files(process, floor);
                  },
                  [this](const Event& event, bool from_birth) {
                    return tuner_.on_sampled(event, from_birth);
                  }}),
        deadline_(loop_.timer([this] { loop_.quit(); })) {
    inspector_.set_rules(settings.rules.formats);
    inspector_.on_files(
        [this](const ProcessId& process, const auto& files) { sampler_.on_files(process, files); });
    tuner_.set_senses(
        {[this](const Reader& reader, uint64_t size) { inspector_.inspect(reader, size); },
         [this](const Reader& reader) { probes_.silence(reader); },
         [this](const Reader& reader) { return probes_.bytes_seen(reader); },
         [this](const Reader& reader) { return probes_.position(reader); },
         [this](bool on) { probes_.watch_neighbours(on); },
         [this] { return probes_.take_neighbour_reads(); }, [this] { waiting_events_.take_all(); },
         [this](const std::vector<Reader>& readers) { waiting_events_.set_readers(readers); },
         [this] { on_knobs_changed(); }});
    patient_kernel_.on_return([this] { writer_.post([this] { tuner_.on_kernel_answer(); }); });
  }
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;
  ~Daemon() { patient_kernel_.on_return({}); }

  /// `left`: something of an earlier daemon could not be put back yet. `before`: what the daemon
  /// before this one in the same process left to it. Returns what is for the next one, or the exit
  /// status.
  std::variant<int, Handover> run(bool left, std::optional<Inherited>& before) {
    for (const int signal : {SIGINT, SIGTERM}) {
      signals_.push_back(loop_.on_signal(signal, [this] { stop(); }));
    }
    signals_.push_back(loop_.on_signal(SIGHUP, [this] { reload_and_log(); }));
    signals_.push_back(loop_.on_signal(reexec_signal(), [this] { hand_over(); }));
    probes_.self_test();
    use_fallbacks();
    for (const auto& [signal, state] : probes_.signals()) {
      recorder_.add("probe", signal + ": " + to_string(state.tier) +
                                 (state.why.empty() ? "" : ", " + state.why));
    }
    if (probes_.poll_fd() >= 0) {
      events_ = loop_.watch(probes_.poll_fd(), [this] { waiting_events_.take(); });
    }
    on_devices();
    if (before) take_over(*before);
    tuned_.start();
    if (left) tuner_.on_kernel_answer();
    bus_.start();
    // libbpf and the parsers leave the heap's peak behind: give it back before the long wait.
    malloc_trim(0);
    sd_notify(0, "READY=1");
    loop_.run();
    if (handover_) return std::move(*handover_);
    return restored_ ? 0 : 1;
  }

 private:
  void take_over(Inherited& before) {
    children_.emplace(loop_, kernel_);
    tuner_.take_over(before.handover);
    holds_.take_over(before.handover);
    tuner_.taken_over();
    // Behind the first writes: what those ask for stands then.
    auto kept = std::make_shared<std::vector<UniqueFd>>(std::move(before.latency_requests));
    writer_.submit([kept](Applier&) { return [kept] { kept->clear(); }; });
    recorder_.add("handover", "goes on in place of an earlier daemon: " +
                                  std::to_string(before.handover.holds.size()) + " holds, " +
                                  std::to_string(before.handover.processes.size()) + " processes");
  }

  void hand_over() {
    if (stopping_) return;
    if (options_.program.empty() || access(options_.program.c_str(), X_OK) != 0) {
      recorder_.warn("goes on: its program is not there to be executed again");
      return;
    }
    sd_notify(0, "RELOADING=1");
    // Behind all that is being written.
    writer_.submit([this](Applier&) { return [this] { end_for_next(); }; });
  }

  void end_for_next() {
    if (stopping_) return;
    // The kernel would wait for a call that hangs before it executes anything.
    if (patient_kernel_.hangs() || bus_kernel_.hangs()) {
      recorder_.warn("goes on: a call hangs in the kernel, and no other program can be executed");
      sd_notify(0, "READY=1");
      return;
    }
    // As the parts of this daemon end, so do their leases: nothing may follow from that.
    writer_.close();
    Handover& handover = handover_.emplace();
    tuner_.hand_over(handover);
    holds_.hand_over(handover);
    loop_.quit();
  }

  void use_fallbacks() {
    const auto is_absent = [this](const char* signal) {
      return probes_.signals().at(signal).tier == Tier::absent;
    };
    samples_ = {is_absent("reads"), is_absent("cache_fills")};
    for (const char* signal : {"reads", "cache_fills"}) {
      probes_.explain_absence(signal, Tier::fallback, "processes are sampled instead");
    }
    probes_.explain_absence("mappings", Tier::absent, "a model that is cached is not seen");
    probes_.explain_absence("latency", Tier::absent, "no histograms");
  }

  void on_event(const Event& event) {
    // A mount that no uevent told of: a mapping is seen all the same. So is one of tmpfs, which
    // fills no page cache from a store.
    if (!event.has_block_device && !watching_fills_) watch_cache_fills(has_diskless_store(kernel_));
    tuner_.on_event(event);
    waiting_events_.on_event(event.reader);
  }

  bool dispatch() {
    const uint64_t before = probes_.dropped_events();
    const bool more = probes_.dispatch();
    const uint64_t dropped = probes_.dropped_events() - before;
    if (dropped == 0) return more;
    recorder_.add("dropped",
                  std::to_string(dropped) + " events found the ring buffer full; the latest of " +
                      "each reader was looked at",
                  {{"events", dropped}});
    return more;
  }

  void on_sysctl_write(const SysctlWrite& write) {
    // What tuned writes is no administrator's word: its profile tells what it means.
    if (tuned_.is_there() &&
        (write.command == "tuned" || write.process.pid == tuned_.process_id())) {
      tuned_.hint();
    } else {
      sysctl_watch_.on_write(write);
    }
  }

  void on_knobs_changed() {
    if (tuned_.is_there()) {
      tuned_.hint();
    } else {
      tuner_.forget_recent();
    }
  }

  void watch_cache_fills(bool wanted) {
    if (wanted != watching_fills_) probes_.watch_cache_fills(wanted);
    watching_fills_ = wanted;
    sampler_.set_stores({samples_.with_disk, samples_.without_disk && wanted});
  }

  void on_devices() {
    const bool diskless = has_diskless_store(kernel_);
    watch_cache_fills(diskless);
    probes_.watch_nfs_reads(diskless && kernel_.exists("sys/module/nfs"));
    bus_.refresh_devices();
  }

  Status reload() {
    Diagnostics mistakes;
    Settings settings = read_settings(options_, mistakes);
    if (!mistakes.empty()) {
      std::string text;
      for (const Diagnostic& one : mistakes) text += (text.empty() ? "" : "\n") + to_string(one);
      return Error{ErrorCode::invalid_argument, text, {}, 0};
    }
    inspector_.set_rules(settings.rules.formats);
    tuner_.reload(settings.config, std::move(settings.profiles),
                  std::move(settings.rules.processes));
    return {};
  }

  void reload_and_log() {
    sd_notify(0, "RELOADING=1");
    if (auto done = reload(); !done.ok())
      recorder_.warn("kept the old settings: " + done.error().message);
    sd_notify(0, "READY=1");
  }

  void stop() {
    stopping_ = true;
    sd_notify(0, "STOPPING=1");
    deadline_.set(monotonic_ns() + restore_deadline_ns);
    // Nothing may be written behind this: the last leases end while the daemon does.
    writer_.finish([this](Applier& applier) {
      const Receipt receipt = applier.restore_all();
      return [this, receipt, left = applier.has_unsettled()] {
        log_changes(recorder_, receipt);
        tuner_.put_windows_back();
        restored_ = all_restored(receipt) && !left;
        loop_.quit();
      };
    });
  }

  const Options& options_;
  Recorder& recorder_;
  DeadlineFs& patient_kernel_;
  DeadlineFs bus_kernel_;
  Loop loop_;
  Writer writer_;
  Tuner tuner_;
  HoldBook holds_;
  TraceBook traces_;
  Probes probes_;
  WaitingEvents waiting_events_;
  SysctlWatch sysctl_watch_;
  PinnedFile helper_image_;
  Inspector inspector_;
  TunedWatch tuned_;
  BusService bus_;
  DeviceWatch devices_;
  KernelFs& kernel_;
  Sampler sampler_;
  SampledStores samples_;  ///< that no probe sees
  Timer deadline_;
  Source events_;
  std::vector<Source> signals_;
  std::optional<InheritedChildren> children_;
  std::optional<Handover> handover_;
  bool watching_fills_ = false;
  bool stopping_ = false;
  bool restored_ = false;
};

}  // namespace

Clocks system_clocks() {
  return {monotonic_ns, realtime_us};
}

Settings read_settings(const Options& options, Diagnostics& mistakes) {
  Settings settings;
  settings.config = read_config(options.config, mistakes);
  settings.profiles = read_profiles(options.profiles, mistakes);
  settings.rules = read_rules(options.rules, mistakes);
  if (settings.rules.formats.empty() && mistakes.empty()) {
    mistakes.push_back({options.rules.empty() ? "" : options.rules.front(), 0, 0,
                        "no format in any rules folder: nothing could be recognised"});
  }
  for (const std::string& name :
       {settings.config.loading_profile, settings.config.serving_profile}) {
    if (settings.profiles.contains(name)) continue;
    mistakes.push_back({options.config, 0, 0, "no profile '" + name + "' in any profile folder"});
  }
  return settings;
}

int run_daemon(const Options& options, KernelFs& kernel, const Settings& settings) {
  raise_descriptor_limit();
  go_before_loaders();
  auto journal = open_journal(options, kernel);
  if (!journal.ok()) {
    spdlog::error("{}", journal.error().message);
    return 1;
  }
  mkdir(options.state_directory.c_str(), 0755);
  Recorder recorder;
  DeadlineFs patient_kernel(kernel);
  KnobRouter knobs(patient_kernel, knob_backends(kernel, {options.run_directory,
                                                          settings.config.allow_kubernetes}));
  Applier applier(knobs, journal.value(), system_clocks());
  for (const std::string& problem : journal.value().read().problems) recorder.warn(problem);
  auto before = take_handover(kernel);
  const bool adopted = before && applier.adopt(before->handover.knobs);
  const bool same_mode = before && before->handover.configured_mode == settings.config.mode;
  const Mode mode = same_mode ? before->handover.mode : settings.config.mode;
  // What an earlier daemon left behind goes back first: it is no original of ours. It stays where
  // that daemon left us its leases as well; but observing leaves nothing of ours behind.
  if (!adopted || mode == Mode::observe) log_changes(recorder, applier.restore_all());
  const bool left = applier.has_unsettled();
  auto daemon =
      std::make_unique<Daemon>(options, kernel, patient_kernel, settings, applier, recorder);
  auto ended = daemon->run(left, before);
  if (auto* handover = std::get_if<Handover>(&ended)) {
    daemon.reset();
    // Nobody else is there any more who could change what is told here.
    handover->knobs = applier.hand_over();
    keep_latency_requests(kernel);
    if (!patient_kernel.hangs()) {
      const Status failed = replace_process(options.program, options.arguments, *handover);
      spdlog::error("{}", failed.error().message);
    }
    // The service manager puts everything back and starts the next.
    _exit(1);
  }
  const int status = std::get<int>(ended);
  if (status != 0) {
    spdlog::error("a knob could not be put back in time: run tuneshiftd --restore");
    // The writer hangs in the kernel: joining it would hang too.
    _exit(status);
  }
  return status;
}

int run_restore(const Options& options, KernelFs& kernel) {
  if (access((options.run_directory + "/journal").c_str(), F_OK) != 0) return 0;
  DeadlineFs patient_kernel(kernel);
  auto journal = open_journal_to_restore(options, kernel, patient_kernel);
  if (!journal.ok()) {
    spdlog::error("{}", journal.error().message);
    return 1;
  }
  for (const std::string& problem : journal.value().read().problems) spdlog::warn("{}", problem);
  Recorder recorder;
  KnobRouter knobs(patient_kernel, knob_backends(kernel, {options.run_directory}));
  Applier applier(knobs, journal.value(), system_clocks());
  const Receipt receipt = applier.restore_all();
  log_changes(recorder, receipt);
  return all_restored(receipt) ? 0 : 1;
}

}  // namespace tuneshift
