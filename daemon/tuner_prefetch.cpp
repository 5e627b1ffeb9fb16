// SPDX-License-Identifier: LGPL-2.1-or-later
// The tuner's part for readers whom a window does not help: when to read ahead of them, and what
// people are told of it.
#include <algorithm>

#include "daemon/tuner.h"
#include "libtune/escape.h"
#include "libtune/number.h"

namespace tuneshift {

namespace {

// A suspect that has read no more may only be listing what a model has: the headers of large ones
// are some hundred KiB.
constexpr uint64_t least_suspect_bytes = uint64_t{512} << 10;
// No event comes between its first miss and 8 MiB, which takes 70 ms from a slow store.
constexpr uint64_t look_period_ns = 5'000'000;
constexpr unsigned most_looks = 40;

std::string mib(uint64_t bytes) {
  return std::to_string(bytes >> 20) + " MiB";
}

uint64_t window_of(const KernelFs& kernel, const Store& store) {
  const auto text = kernel.read("sys/class/bdi/" + store.bdi + "/read_ahead_kb");
  const auto kib =
      text.ok() ? parse_integer(text.value().substr(0, text.value().find('\n'))) : std::nullopt;
  return kib && *kib > 0 ? static_cast<uint64_t>(*kib) << 10 : 0;
}

// Pieces that do not continue each other and yet are no faults: several reads are in flight.
bool reads_by_itself(const Facts& facts, const Event& event) {
  return !facts.mapped && event.bytes >= least_order_bytes && event.sequential < event.bytes / 2;
}

std::string in_words(const Assistance& decided) {
  const std::string reason = ": " + escape(decided.reason);
  if (decided.kind != Assistance::Kind::prefetch) return "read-ahead only" + reason;
  return (decided.way == Assistance::Way::mapping ? "read ahead of through its mapping"
                                                  : "read ahead of by a descriptor") +
         reason;
}

// Who is charged with the pages, and why not the reader.
std::string account_of(const Assistance& decided, const Accelerator::Subject& subject) {
  if (decided.account == Assistance::Account::reader) return "reader";
  const std::string& why = subject.question.head_room.account_reason;
  return "daemon: " + (why.empty() ? "configured" : why);
}

}  // namespace

AssistanceQuestion Tuner::question_of(const Reader& reader, const Helped& helped,
                                      const Facts& facts) {
  const Event& event = *detector_.latest(reader);
  const Store& store = store_of(reader);
  AssistanceQuestion question;
  question.confirmed = helped.load != 0;
  question.fuse = is_fuse(store.file_system, event.has_block_device);
  question.rotational =
      std::any_of(store.disks.begin(), store.disks.end(), [this](const std::string& disk) {
        const auto known = machine().disks.find(disk);
        return known != machine().disks.end() && known->second.rotational;
      });
  question.shared = helped.shared;
  question.descriptors = helped.open;
  question.rewindowed = helped.reset;
  question.direct = helped.direct();
  question.mapped = facts.mapped;
  question.by_large_reads = reads_by_itself(facts, event);
  question.missed_bytes = bytes_missed(reader);
  question.ordered_bytes = event.bytes;
  question.sequential_bytes = event.sequential;
  question.jumps = event.jumps;
  // The counters go on over the loads of a process, and over what it faults in while it serves.
  question.tensor_jumps = detector_.bytes_before(reader) > 0 ? 0 : event.jumps;
  question.first_bytes_us = helped.first_bytes_us;
  question.file_size = facts.file_size;
  question.resident_bytes = facts.resident_bytes.value_or(0);
  return question;
}

unsigned Tuner::Helped::direct() const {
  return static_cast<unsigned>(std::count_if(descriptors.begin(), descriptors.end(),
                                             [](const OpenDescriptor& one) { return one.direct; }));
}

void Tuner::read_ahead_of(const Reader& reader, Helped& helped) {
  helped.looked_at = true;
  const bool observing = policy_.mode() == Mode::observe;
  if (!config_.prefetch || (policy_.mode() != Mode::automatic && !observing)) return;
  const Facts* const facts = detector_.facts(reader);
  // One that serves, or rests, has no help; see end_help().
  if (facts == nullptr || helped.ahead_over || !detector_.is_undecided_or_loading(reader)) return;
  if (accelerator_.follows(reader)) {
    const auto decided = helped.load != 0 ? accelerator_.confirm(reader) : std::nullopt;
    if (decided) assist(helped, in_words(*decided));
    return;
  }
  Accelerator::Subject subject;
  subject.reader = reader;
  subject.question = question_of(reader, helped, *facts);
  subject.account_to_daemon = config_.prefetch_account_daemon;
  subject.stand_down = config_.prefetch_stand_down;
  subject.uid = facts->uid;
  subject.loaded_before = detector_.bytes_before(reader) > 0;
  if (accelerator_.join(subject)) {
    assist(helped, "its file is read ahead already");
    return;
  }
  const Assistance decided = accelerator_.decide(subject);
  if (decided.kind != Assistance::Kind::prefetch) {
    // Of O_DIRECT alone the re-window has told: no read-ahead of its store helps either.
    const bool direct = !subject.question.mapped && subject.question.direct > 0 &&
                        subject.question.direct == subject.question.descriptors;
    if (helped.reset == 0 && !direct && !observing) assist(helped, in_words(decided));
    return;
  }
  if (helped.load == 0 && subject.question.missed_bytes < least_suspect_bytes) {
    if (helped.ahead_looks++ < most_looks) closed_timer_.set(monotonic_ns() + look_period_ns);
    return;
  }
  if (!observing) {
    subject.window_bytes = window_of(kernel_, store_of(reader));
    subject.position_bytes = senses_.position(reader);
    if (const Status started = accelerator_.start(subject, decided); !started.ok()) {
      // Too many at once: its next event asks again.
      helped.ahead_over = started.error().code != ErrorCode::limit_exceeded;
      assist(helped, "read-ahead only: " + escape(started.error().message));
      return;
    }
    assist(helped, in_words(decided));
    note_help(helped, subject.question.missed_bytes);
  }
  helped.ahead_over = observing;
  recorder_.add(observing ? "would-prefetch" : "prefetching",
                helped.path + (observing ? ": would be " : ": is ") + in_words(decided),
                {{"pid", static_cast<uint32_t>(reader.process.pid)},
                 {"path", helped.path},
                 {"load", helped.load},
                 {"reason", escape(decided.reason)},
                 {"account", account_of(decided, subject)},
                 {"bytes", decided.budget_bytes},
                 {"after_us", (monotonic_ns() - helped.suspected_ns) / 1000}});
}

void Tuner::look_at_closed_readers() {
  for (auto& [reader, helped] : helped_) {
    if (helped.ahead_looks != 0 && helped.load == 0) read_ahead_of(reader, helped);
  }
}

void Tuner::on_consumed(const Reader& reader, uint64_t bytes) {
  carry_out(detector_.on_consumed(reader, bytes, monotonic_ns()));
  set_timers();
}

uint64_t Tuner::bytes_missed(const Reader& reader) const {
  const uint64_t seen = senses_.bytes_seen(reader);
  return seen - std::min(seen, detector_.bytes_before(reader));
}

void Tuner::on_ahead_free(const Reader& reader) {
  auto found = helped_.find(reader);
  if (found != helped_.end()) read_ahead_of(reader, found->second);
}

void Tuner::note_help(Helped& helped, uint64_t missed_bytes) {
  const uint64_t now_ns = monotonic_ns();
  if (helped.since_ns == 0) {
    helped.since_ns = now_ns;
    helped.since_bytes = missed_bytes;
  }
  if (LoadView* view = book_.find(helped.load)) LoadBook::helped(*view, missed_bytes, now_ns);
}

void Tuner::on_ahead_ended(const Reader& reader, const PrefetchProgress& progress) {
  auto found = helped_.find(reader);
  if (found == helped_.end()) return;
  Helped& helped = found->second;
  helped.ahead_over = true;
  if (helped.rewindowed && !helped.shared && !progress.trouble.empty()) {
    // It took the place of a window that was small then.
    helped.rewindow_due = true;
    helped.turn.reset();
    reconcile_soon();
  }
  const std::string trouble = escape(progress.trouble);
  const std::string text = mib(progress.fetched_bytes) + " read ahead" +
                           (progress.engine.empty() ? "" : " by " + escape(progress.engine)) +
                           (trouble.empty() ? "" : ", then " + trouble);
  assist(helped, text);
  recorder_.add("prefetched", helped.path + ": " + text,
                {{"pid", static_cast<uint32_t>(reader.process.pid)},
                 {"path", helped.path},
                 {"load", helped.load},
                 {"reason", trouble},
                 {"bytes", progress.fetched_bytes},
                 {"cpu_us", progress.cpu_us}});
}

void Tuner::assist(Helped& helped, const std::string& text) {
  if (helped.assistance == text) return;
  helped.assistance = text;
  LoadView* const view = book_.find(helped.load);
  if (view == nullptr) return;
  view->assistance = text;
  if (observer_.load_changed) observer_.load_changed(view->id);
}

}  // namespace tuneshift
