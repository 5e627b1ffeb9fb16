// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/accelerator.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "daemon/prefetch_protocol.h"
#include "daemon/process_watch.h"
#include "libtune/consumption.h"
#include "libtune/head_room.h"

namespace tuneshift {

namespace {

constexpr uint64_t look_period_ns = 100'000'000;
// Once all of a file is cached its reader takes GiB a second, and nothing else tells of it.
constexpr uint64_t cached_look_period_ns = 20'000'000;
// A look costs two files of procfs, and a mapping's pages are counted in batches anyway.
constexpr uint64_t least_look_ns = 5'000'000;

// What is cached is taken in at GiB a second.
constexpr uint64_t cached_rate = uint64_t{2} << 30;

// One WILLNEED reads at most the window that its file had when it was opened, which was before
// ours: the kernel's default (VM_READAHEAD_PAGES, include/linux/mm.h) or more.
constexpr uint64_t default_window_bytes = uint64_t{128} << 10;
constexpr uint64_t largest_step_bytes = uint64_t{4} << 20;

PrefetchOrder order_of(const Accelerator::Subject& subject, const Assistance& assistance) {
  PrefetchOrder order;
  order.reader = subject.reader;
  order.file_size = subject.question.file_size;
  const bool by_mapping = assistance.way == Assistance::Way::mapping;
  order.way = by_mapping ? PrefetchOrder::Way::mapping : PrefetchOrder::Way::descriptor;
  order.account = assistance.account == Assistance::Account::daemon
                      ? PrefetchOrder::Account::daemon
                      : PrefetchOrder::Account::reader;
  order.step_bytes =
      by_mapping ? default_window_bytes
                 : std::clamp(subject.window_bytes, default_window_bytes, largest_step_bytes);
  return order;
}

}  // namespace

Accelerator::Accelerator(Loop& loop, const KernelFs& kernel, std::string helper, Hooks hooks)
    : kernel_(kernel),
      hooks_(std::move(hooks)),
      prefetcher_(loop.get(), std::move(helper), Prefetcher::Limits(),
                  [this](const FileId& file, const PrefetchProgress& progress) {
                    on_progress(file, progress);
                  }),
      timer_(loop.timer([this] { on_timer(); })) {}

Assistance Accelerator::decide(Subject& subject) const {
  if (files_.contains(subject.reader.file)) {
    Assistance shared;
    shared.reason = "its file is read ahead of another reader already";
    return shared;
  }
  AssistanceQuestion& question = subject.question;
  // The files of control groups are read only where their answer matters.
  question.head_room.bytes = UINT64_MAX;
  Assistance assistance = decide_assistance(question);
  if (assistance.kind != Assistance::Kind::prefetch) return assistance;
  question.head_room = read_head_room(kernel_, subject.reader.process.pid);
  assistance = decide_assistance(question);
  if (subject.account_to_daemon) assistance.account = Assistance::Account::daemon;
  return assistance;
}

Status Accelerator::start(const Subject& subject, const Assistance& decided) {
  auto sample = read_process_sample(kernel_, subject.reader.process.pid);
  if (!sample) return sample.error();
  Status started = prefetcher_.start(order_of(subject, decided), decided.budget_bytes);
  if (!started.ok()) return started;
  const bool first = files_.empty();
  Ahead& ahead = files_[subject.reader.file];
  ahead.subject = subject;
  ahead.assistance = decided;
  ahead.allowed_bytes = decided.budget_bytes;
  ahead.consumed_bytes = subject.question.missed_bytes;
  ahead.missed_bytes = subject.question.missed_bytes;
  ahead.at_start = sample.value();
  uint64_t& taken = subject.question.mapped ? ahead.at_start.file_bytes : ahead.at_start.read_bytes;
  taken -= std::min(taken, ahead.consumed_bytes);
  ahead.look_ns = monotonic_ns();
  if (first) set_timer();
  return {};
}

std::optional<Assistance> Accelerator::confirm(const Reader& reader) {
  Ahead* const ahead = find(reader);
  if (ahead == nullptr || ahead->subject.question.confirmed) return std::nullopt;
  AssistanceQuestion& question = ahead->subject.question;
  question.confirmed = true;
  allow(*ahead);
  question.head_room = read_head_room(kernel_, reader.process.pid);
  return decide_assistance(question);
}

const PrefetchProgress* Accelerator::progress(const Reader& reader) const {
  const Ahead* const ahead = find(reader);
  return ahead == nullptr || ahead->progress.ended ? nullptr : &ahead->progress;
}

void Accelerator::stop(const Reader& reader) {
  if (find(reader) == nullptr) return;
  prefetcher_.stop(reader.file);
  files_.erase(reader.file);
  if (files_.empty()) timer_.off();
}

void Accelerator::stop_all() {
  for (const auto& [file, ahead] : files_) prefetcher_.stop(file);
  files_.clear();
  timer_.off();
}

bool Accelerator::follows(const Reader& reader) const {
  return find(reader) != nullptr;
}

uint64_t Accelerator::consumed(const Reader& reader) {
  Ahead* const ahead = find(reader);
  if (ahead == nullptr) return 0;
  look(*ahead, monotonic_ns());
  return ahead->consumed_bytes;
}

uint64_t Accelerator::consumed_at_end(const Reader& reader) const {
  const Ahead* const ahead = find(reader);
  if (ahead == nullptr) return 0;
  const uint64_t since_ms = (monotonic_ns() - ahead->look_ns) / 1'000'000 + 1;
  const uint64_t taken = std::max(2 * ahead->rate, cached_rate) / 1000 * since_ms;
  return std::min(ahead->consumed_bytes + taken, std::max(ahead->consumed_bytes, arrived(*ahead)));
}

void Accelerator::on_progress(const FileId& file, const PrefetchProgress& progress) {
  auto found = files_.find(file);
  if (found == files_.end()) return;
  found->second.progress = progress;
  const Reader reader = found->second.subject.reader;
  follow(reader);
  if (!progress.ended || !follows(reader)) return;
  set_timer();
  hooks_.on_ended(reader, progress);
}

void Accelerator::on_timer() {
  std::vector<Reader> readers;
  for (const auto& [file, ahead] : files_) readers.push_back(ahead.subject.reader);
  for (const Reader& reader : readers) follow(reader);
  set_timer();
}

void Accelerator::set_timer() {
  if (files_.empty()) {
    timer_.off();
    return;
  }
  const bool waiting = std::any_of(files_.begin(), files_.end(),
                                   [](const auto& entry) { return entry.second.progress.ended; });
  timer_.set(monotonic_ns() + (waiting ? cached_look_period_ns : look_period_ns));
}

void Accelerator::look(Ahead& ahead, uint64_t now_ns) {
  if (now_ns < ahead.look_ns + least_look_ns) return;
  const Reader& reader = ahead.subject.reader;
  const auto sample = read_process_sample(kernel_, reader.process.pid);
  if (!sample.ok()) return;
  Consumption consumption;
  consumption.at_start = ahead.at_start;
  consumption.now = sample.value();
  consumption.missed_bytes = hooks_.bytes_seen(reader);
  consumption.missed_before = ahead.missed_bytes;
  consumption.fetched_bytes = ahead.progress.fetched_bytes;
  consumption.file_size = ahead.subject.question.file_size;
  consumption.mapped = ahead.subject.question.mapped;
  consumption.told_before = ahead.consumed_bytes;
  const uint64_t consumed = consumed_bytes(consumption);
  const uint64_t since_us = (now_ns - ahead.look_ns) / 1000;
  ahead.rate = (consumed - ahead.consumed_bytes) * 1'000'000 / since_us;
  ahead.consumed_bytes = consumed;
  ahead.missed_bytes = consumption.missed_bytes;
  ahead.look_ns = now_ns;
}

void Accelerator::follow(const Reader& reader) {
  Ahead* ahead = find(reader);
  if (ahead == nullptr) return;
  look(*ahead, monotonic_ns());
  hooks_.on_consumed(reader, ahead->consumed_bytes);
  ahead = find(reader);
  if (ahead != nullptr) allow(*ahead);
}

void Accelerator::allow(Ahead& ahead) {
  if (ahead.progress.ended) return;
  const Reader& reader = ahead.subject.reader;
  AheadQuestion question;
  question.confirmed = ahead.subject.question.confirmed;
  question.random = ahead.assistance.random;
  question.file_size = ahead.subject.question.file_size;
  question.consumed_bytes = ahead.consumed_bytes;
  question.consumed_bytes_a_second = ahead.rate;
  question.head_room_bytes = read_head_room(kernel_, reader.process.pid).bytes;
  const uint64_t budget = budget_ahead(question);
  const uint64_t told = ahead.allowed_bytes;
  // The worker reports when it has used up what it may, which comes back here: a few pages more
  // each time would be a packet for each few pages.
  const uint64_t change = std::max(budget, told) - std::min(budget, told);
  const bool final = budget == 0 || budget == question.file_size;
  if (change == 0 || (change < prefetch_report_bytes && !final)) return;
  ahead.allowed_bytes = budget;
  prefetcher_.allow(reader.file, budget);
}

uint64_t Accelerator::arrived(const Ahead& ahead) const {
  return std::min(ahead.subject.question.file_size,
                  hooks_.bytes_seen(ahead.subject.reader) + ahead.progress.fetched_bytes);
}

Accelerator::Ahead* Accelerator::find(const Reader& reader) {
  auto found = files_.find(reader.file);
  return found == files_.end() || found->second.subject.reader != reader ? nullptr : &found->second;
}

const Accelerator::Ahead* Accelerator::find(const Reader& reader) const {
  auto found = files_.find(reader.file);
  return found == files_.end() || found->second.subject.reader != reader ? nullptr : &found->second;
}

}  // namespace tuneshift
