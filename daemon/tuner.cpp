// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/tuner.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "libtune/escape.h"

namespace tuneshift {

namespace {

constexpr uint64_t memory_look_ns = 200'000'000;

uint32_t pid_of(const Reader& reader) {
  return static_cast<uint32_t>(reader.process.pid);
}

std::string mib(uint64_t bytes) {
  return std::to_string(bytes >> 20) + " MiB";
}

// Of a device that no mount of the reader's explains: each look reads all of them.
constexpr uint64_t storeless_period_ns = 1'000'000'000;

PolicySettings policy_settings(const Config& config) {
  return {config.dwell_ms, config.writes_per_hour};
}

}  // namespace

Tuner::Tuner(Loop& loop, const KernelFs& kernel, Writer& writer, Recorder& recorder,
             const Config& config, Profiles profiles, ProcessRules rules, Programs programs)
    : loop_(loop),
      kernel_(kernel),
      writer_(writer),
      recorder_(recorder),
      config_(config),
      detector_({config.settle_ms}),
      rules_(std::move(rules)),
      policy_(policy_settings(config), std::move(profiles)),
      leases_(policy_, [this](const Reader& reader) { return store_of(reader); }),
      processes_(loop, kernel,
                 [this](const ProcessId& process) {
                   // What it did comes before its end, or it would be suspected anew.
                   senses_.take_events();
                   on_process_gone(process);
                 }),
      detector_timer_(loop.timer([this] { on_timer(); })),
      policy_timer_(loop.timer([this] { reconcile(); })),
      retry_timer_(loop.timer([this] { apply(submitted_); })),
      pause_end_(loop.timer([this] { set_mode(mode_before_pause_, "the pause's end"); })),
      settled_timer_(loop.timer([this] { reconcile(); })),
      reset_timer_(loop.timer([this] { take_back_resets(); })),
      dropper_(loop.get(), std::move(programs.drop),
               [this](uint32_t load, const DropTask& task, const DropReport& report) {
                 on_dropped(load, task, report);
               }),
      accelerator_(loop, kernel, std::move(programs.prefetching),
                   {[this](const Reader& reader) { return bytes_missed(reader); },
                    [this](const Reader& reader, uint64_t bytes) { on_consumed(reader, bytes); },
                    [this](const Reader& reader, const PrefetchProgress& progress) {
                      on_ahead_ended(reader, progress);
                    },
                    [this](const Reader& reader) { on_ahead_free(reader); }}),
      closed_timer_(loop.timer([this] { look_at_closed_readers(); })),
      neighbour_timer_(loop.timer([this] { look_at_neighbours(); })),
      inherited_timer_(loop.timer([this] { settle_inherited_loads(); })) {
  policy_.set_mode(config.mode);
  leases_.set_profiles(config.loading_profile, config.serving_profile);
}

void Tuner::on_event(const Event& event) {
  if (policy_.mode() == Mode::paused || policy_.mode() == Mode::manual) return;
  dropper_.stop(event.reader.file, "it is read again");
  const auto changes = detector_.on_event(event);
  // Before the helper is started: what the reader does meanwhile would be in its first sample.
  const bool is_new = !changes.empty() && changes.front().kind == LoadChangeKind::suspected;
  if (is_new) take_sample(event.reader);
  carry_out(changes);
  take_sample(event.reader);
  // Its order shows only now, or memory that was short is there.
  auto helped = helped_.find(event.reader);
  if (helped != helped_.end() && helped->second.first_bytes_us == 0 &&
      event.bytes >= least_missing_bytes) {
    helped->second.first_bytes_us = (event.time_ns - event.first_ns) / 1000;
  }
  if (helped != helped_.end() && helped->second.looked_at) {
    read_ahead_of(event.reader, helped->second);
  }
  set_timers();
}

void Tuner::take_sample(const Reader& reader) {
  if (!detector_.wants_sample(reader)) return;
  // The event is older than the sample.
  carry_out(detector_.on_bytes(reader, senses_.bytes_seen(reader), monotonic_ns()));
  auto sample = read_process_sample(kernel_, reader.process.pid);
  if (sample.ok()) carry_out(detector_.on_sample(reader, sample.value(), monotonic_ns()));
}

void Tuner::on_facts(const Reader& reader, const Result<Facts>& facts) {
  Result<Facts> known = facts;
  if (known) {
    const Event* event = detector_.latest(reader);
    const std::string command = event == nullptr ? "" : event->command;
    const ProcessRule* rule = find_process_rule(rules_, command, facts.value().command_line);
    if (rule != nullptr) {
      known.value().rule = rule->name;
      known.value().rule_role = rule->role;
    }
  }
  carry_out(detector_.on_facts(reader, known, monotonic_ns()));
  take_sample(reader);
  set_timers();
}

void Tuner::carry_out(const Detector::Changes& changes) {
  bool leases_changed = false;
  for (const LoadChange& change : changes) {
    leases_changed = leases_changed || change.kind != LoadChangeKind::progress;
    readers_changed_ = readers_changed_ || leases_changed;
    leases_.on_change(change, detector_.load(change.load));
    switch (change.kind) {
      case LoadChangeKind::suspected:
        on_suspected(change);
        break;
      case LoadChangeKind::look_again:
        senses_.inspect(change.reader, detector_.latest(change.reader)->file_size);
        break;
      case LoadChangeKind::recognised:
        on_recognised(change);
        break;
      case LoadChangeKind::dormant:
      case LoadChangeKind::forgotten:
      case LoadChangeKind::rejected:
        drop(change);
        break;
      case LoadChangeKind::started:
      case LoadChangeKind::joined:
        on_begun(change);
        break;
      case LoadChangeKind::progress:
        look_at_memory(
            book_.update(*detector_.load(change.load), store_of(change.reader), monotonic_ns()),
            monotonic_ns(), false);
        break;
      case LoadChangeKind::finished:
      case LoadChangeKind::abandoned:
        on_ended(change);
        break;
      case LoadChangeKind::serving:
        on_serving(change);
        break;
    }
  }
  if (leases_changed) reconcile_soon();
}

void Tuner::on_suspected(const LoadChange& change) {
  const Event& event = *detector_.latest(change.reader);
  const uint64_t now_ns = monotonic_ns();
  helped_[change.reader].suspected_ns = now_ns;
  const uint64_t after_us = now_ns > event.first_ns ? (now_ns - event.first_ns) / 1000 : 0;
  const std::string command = escape(event.command);
  recorder_.add("suspected",
                "process " + std::to_string(change.reader.process.pid) + " (" + command +
                    ") reads a file of " + mib(event.file_size) + ": " + change.reason,
                {{"pid", pid_of(change.reader)},
                 {"command", command},
                 {"file", name_of(change.reader.file)},
                 {"evidence", change.reason},
                 {"bytes", event.bytes},
                 {"after_us", after_us}});
  if (!processes_.add(change.reader.process).ok()) {
    on_process_gone(change.reader.process);
    return;
  }
  senses_.inspect(change.reader, event.file_size);
}

void Tuner::on_recognised(const LoadChange& change) {
  const Facts& facts = *detector_.facts(change.reader);
  Helped& helped = helped_[change.reader];
  const std::string path = escape(facts.path);
  recorder_.add(
      "inspected",
      path + (facts.format == unknown_format ? ": " : " is a model file: ") + escape(change.reason),
      {{"pid", pid_of(change.reader)},
       {"path", path},
       {"format", escape(facts.format)},
       {"detail", escape(change.reason)},
       {"after_us", (monotonic_ns() - helped.suspected_ns) / 1000}});
  noticed_ns_[LoadLeases::suspect_name(change.reader.process)] = helped.suspected_ns;
  helped.path = path;
  helped.descriptors = facts.descriptors;
  helped.rewindow_due = true;
  helped.turn.reset();
}

void Tuner::on_begun(const LoadChange& change) {
  end_inherited_load(change.reader.process);
  const Load& load = *detector_.load(change.load);
  const Store store = store_of(change.reader);
  Helped& helped = helped_[change.reader];
  LoadView& view = book_.update(load, store, monotonic_ns());
  if (helped.since_ns != 0) {
    // While it was suspected.
    LoadBook::helped(view, helped.since_bytes, helped.since_ns);
  }
  const Facts& facts = *detector_.facts(change.reader);
  const std::string path = escape(facts.path);
  if (change.kind == LoadChangeKind::started) {
    view.started_us = realtime_us();
    view.suspected_ns = helped.suspected_ns;
    look_at_memory(view, monotonic_ns(), false);
    noticed_ns_[LoadLeases::load_name(change.load)] = helped.suspected_ns;
    recorder_.add("started",
                  "load " + std::to_string(change.load) + ": process " +
                      std::to_string(change.reader.process.pid) + " loads " + escape(load.model) +
                      " (" + mib(load.total_bytes) + "), " + change.reason,
                  {{"load", change.load},
                   {"pid", pid_of(change.reader)},
                   {"path", path},
                   {"evidence", change.reason},
                   {"bytes", load.loaded_bytes},
                   {"total", load.total_bytes},
                   {"after_us", (monotonic_ns() - helped.suspected_ns) / 1000}});
    if (observer_.load_added) observer_.load_added(change.load);
  } else if (observer_.load_changed) {
    observer_.load_changed(change.load);
  }
  helped.load = change.load;
  helped.path = path;
  helped.descriptors = facts.descriptors;
  helped.rewindow_due = helped.rewindow_due || !helped.rewindowed;
  helped.turn.reset();
  // A process that joins has had no help of its own yet.
  if (change.kind == LoadChangeKind::started || helped.rewindowed) {
    view.assistance = helped.assistance;
  }
  if (!helped.rewindow_due || accelerator_.follows(change.reader)) {
    read_ahead_of(change.reader, helped);
  }
  tell_state();
}

void Tuner::on_ended(const LoadChange& change) {
  const Load& load = *detector_.load(change.load);
  noticed_ns_.erase(LoadLeases::load_name(change.load));
  book_.update(load, store_of(change.reader), load.last_progress_ns);
  const auto forgotten = book_.end(change.load, load, realtime_us());
  LoadView& view = *book_.find(change.load);
  look_at_memory(view, monotonic_ns(), true);
  const uint64_t duration_us =
      (std::max(load.last_progress_ns, load.first_ns) - load.first_ns) / 1000;
  recorder_.add(to_string(change.kind),
                "load " + std::to_string(change.load) + " " + to_string(change.kind) + ": " +
                    mib(load.loaded_bytes) + " of " + mib(load.total_bytes) + " in " +
                    std::to_string(duration_us / 1000) + " ms, " + mib(view.rate) +
                    "/s: " + change.reason + (view.warning.empty() ? "" : "; " + view.warning),
                {{"load", change.load},
                 {"pid", pid_of(change.reader)},
                 {"path", view.model},
                 {"evidence", load.evidence},
                 {"reason", change.reason},
                 {"bytes", load.loaded_bytes},
                 {"total", load.total_bytes},
                 {"duration_us", duration_us},
                 {"rate", view.rate},
                 {"missed", view.missed_bytes},
                 {"refaulted", view.refaulted_bytes},
                 {"evicted", view.evicted_bytes},
                 {"major_faults", view.major_faults},
                 {"warning", view.warning}});
  for (const LoadReader& one : load.readers) {
    auto helped = helped_.find(one.reader);
    if (helped == helped_.end()) continue;
    end_help(one.reader, helped->second);
  }
  if (load.state == Load::State::finished) {
    for (const ProcessId& process : load.processes) {
      recorder_.add("serving",
                    "process " + std::to_string(process.pid) + " serves " + escape(load.model),
                    {{"pid", static_cast<uint32_t>(process.pid)}, {"load", change.load}});
      noticed_ns_.emplace(LoadLeases::server_name(process), monotonic_ns());
    }
    drop_pages_of(load);
  }
  if (observer_.load_changed) observer_.load_changed(change.load);
  for (const uint32_t gone : forgotten) {
    if (observer_.load_removed) observer_.load_removed(gone);
  }
  tell_state();
}

void Tuner::on_serving(const LoadChange& change) {
  end_help(change.reader, helped_[change.reader]);
  if (change.reason.empty()) return;
  const Facts& facts = *detector_.facts(change.reader);
  const std::string model = escape(facts.model);
  recorder_.add("serving",
                "process " + std::to_string(change.reader.process.pid) + " serves " + model +
                    ", already cached: " + change.reason,
                {{"pid", pid_of(change.reader)},
                 {"load", uint32_t{0}},
                 {"path", model},
                 {"evidence", change.reason}});
  noticed_ns_.emplace(LoadLeases::server_name(change.reader.process), monotonic_ns());
  tell_state();
}

void Tuner::look_at_memory(LoadView& view, uint64_t now_ns, bool at_end) {
  // The kernel sums up its counters of all CPUs for each look.
  if (!at_end && now_ns < view.memory_ns + memory_look_ns) return;
  view.memory_ns = now_ns;
  if (const auto stat = read_vmstat(kernel_); stat.ok()) {
    LoadBook::note_memory(view, stat.value(), static_cast<uint64_t>(sysconf(_SC_PAGESIZE)));
  }
}

void Tuner::drop(const LoadChange& change) {
  auto helped = helped_.find(change.reader);
  if (helped != helped_.end()) end_help(change.reader, helped->second);
  if (change.kind == LoadChangeKind::dormant) return;
  if (change.kind == LoadChangeKind::rejected) {
    recorder_.add(
        "rejected",
        "process " + std::to_string(change.reader.process.pid) + ": " + escape(change.reason),
        {{"pid", pid_of(change.reader)},
         {"file", name_of(change.reader.file)},
         {"reason", escape(change.reason)}});
    senses_.silence(change.reader);
  }
  if (helped != helped_.end() && !helped->second.put_back_due) helped_.erase(helped);
  const ProcessId& process = change.reader.process;
  // The detector does not know those of a daemon before this one.
  const bool inherited = leases_.servers().contains(process) || inherited_loads_.contains(process);
  if (detector_.knows(process) || inherited) return;
  processes_.remove(process);
  noticed_ns_.erase(LoadLeases::suspect_name(change.reader.process));
}

void Tuner::end_help(const Reader& reader, Helped& helped) {
  if (const PrefetchProgress* const progress = accelerator_.progress(reader)) {
    on_ahead_ended(reader, PrefetchProgress(*progress));
  }
  accelerator_.stop(reader);
  helped.load = 0;
  helped.assistance = Helped().assistance;
  helped.ahead_looks = 0;
  helped.ahead_over = false;
  helped.since_ns = 0;
  helped.looked_at = false;
  helped.rewindow_due = false;
  helped.put_back_due = helped.rewindowed;
  helped.turn.reset();
}

void Tuner::on_process_gone(const ProcessId& process) {
  // What it read after its last event counts as well.
  for (const Reader& reader : detector_.active_readers()) {
    if (reader.process != process) continue;
    carry_out(detector_.on_bytes(reader, senses_.bytes_seen(reader), monotonic_ns()));
    if (!accelerator_.follows(reader)) continue;
    const uint64_t consumed = accelerator_.consumed_at_end(reader);
    carry_out(detector_.on_consumed(reader, consumed, monotonic_ns()));
  }
  carry_out(detector_.on_process_gone(process, monotonic_ns()));
  for (auto it = helped_.lower_bound(Reader{process, FileId{}});
       it != helped_.end() && it->first.process == process;) {
    accelerator_.stop(it->first);
    it = helped_.erase(it);
  }
  end_inherited_load(process);
  if (leases_.on_process_gone(process)) {
    recorder_.add("idle", "process " + std::to_string(process.pid) + " ended: it no longer serves",
                  {{"pid", static_cast<uint32_t>(process.pid)}});
    tell_state();
  }
  noticed_ns_.erase(LoadLeases::server_name(process));
  noticed_ns_.erase(LoadLeases::suspect_name(process));
  reconcile_soon();
  set_timers();
}

void Tuner::on_timer() {
  const uint64_t now_ns = monotonic_ns();
  for (const Reader& reader : detector_.active_readers()) {
    carry_out(detector_.on_bytes(reader, senses_.bytes_seen(reader), now_ns));
    if (!accelerator_.follows(reader)) continue;
    carry_out(detector_.on_consumed(reader, accelerator_.consumed(reader), now_ns));
  }
  carry_out(detector_.on_timer(now_ns));
  set_timers();
}

void Tuner::set_timers() {
  if (std::exchange(readers_changed_, false)) senses_.loads_run(detector_.active_readers());
  if (const auto due = detector_.next_deadline_ns()) {
    detector_timer_.set(*due);
  } else {
    detector_timer_.off();
  }
}

void Tuner::tell_state() {
  if (observer_.state_changed) observer_.state_changed();
}

const Store& Tuner::store_of(const Reader& reader) {
  const std::pair device{reader.file.device_major, reader.file.device_minor};
  if (auto known = stores_.find(device); known != stores_.end()) return known->second;
  static const Store none;
  const uint64_t now_ns = monotonic_ns();
  const auto failed = storeless_ns_.find(device);
  if (failed != storeless_ns_.end() && now_ns < failed->second + storeless_period_ns) return none;
  // The reader may see mounts that we do not.
  auto store = find_store(kernel_, device.first, device.second,
                          read_mounts(kernel_, std::to_string(reader.process.pid)));
  if (!store.ok()) {
    storeless_ns_[device] = now_ns;
    return none;
  }
  for (const std::string& disk : store.value().disks) {
    if (!machine().disks.contains(disk)) machine_.disks[disk] = read_disk_facts(kernel_, disk);
  }
  return stores_[device] = std::move(store).value();
}

const Machine& Tuner::machine() {
  if (!std::exchange(machine_is_old_, false)) return machine_;
  Machine fresh = read_machine(kernel_);
  for (auto& [disk, facts] : fresh.disks) {
    const auto known = machine_.disks.find(disk);
    if (!facts.is_sure && known != machine_.disks.end()) facts = known->second;
  }
  machine_ = std::move(fresh);
  return machine_;
}

}  // namespace tuneshift
