// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/accelerator.h"

#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "daemon/prefetch_protocol.h"
#include "daemon/process_watch.h"

namespace tuneshift {

namespace {

// Memory may get tight while nobody reports anything.
constexpr uint64_t look_period_ns = 100'000'000;
// The files of control groups cost some 0.1 ms.
constexpr uint64_t room_period_ns = 50'000'000;
// A store that gives nothing for so long: the worker waits with the reader and helps nobody.
constexpr uint64_t most_silent_ns = 60'000'000'000;
// A worker that waits for a larger budget may have come so much less far (budget_ahead()).
constexpr uint64_t most_rounded_bytes = uint64_t{64} << 10;

// One that ends by itself will again: its reader has gone, or hides from it.
constexpr unsigned most_followers = 4;
constexpr uint64_t follower_period_ns = 1'000'000'000;

// A rate is told from so much time at least.
constexpr uint64_t rate_us = 100'000;
// tuneshift-follow's, for a reader of a file of many parts.
constexpr uint64_t longest_look_ms = 200;

// What is cached is taken in at GiB a second.
constexpr uint64_t cached_rate = uint64_t{2} << 30;

// One WILLNEED reads at most the window that its file had when it was opened, which was before
// ours: the kernel's default (VM_READAHEAD_PAGES, include/linux/mm.h) or more.
constexpr uint64_t default_window_bytes = uint64_t{128} << 10;
constexpr uint64_t largest_step_bytes = uint64_t{4} << 20;
// What a reader in random order waits for.
const auto page_fault_bytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));

// One that is further off than what it has read of the file began elsewhere than at its beginning,
// and what it is at is what it waits for.
constexpr uint64_t most_beside_bytes = uint64_t{32} << 20;
// Coverage::place() is off the ends of these.
constexpr uint64_t piece_bytes = uint64_t{4} << 20;

uint64_t start_of(const Accelerator::Subject& subject) {
  const AssistanceQuestion& question = subject.question;
  const bool elsewhere = question.mapped && subject.position_bytes < question.file_size &&
                         subject.position_bytes > question.missed_bytes + most_beside_bytes;
  return elsewhere ? subject.position_bytes / piece_bytes * piece_bytes : 0;
}

PrefetchOrder order_of(const Accelerator::Subject& subject, const Assistance& assistance) {
  PrefetchOrder order;
  order.reader = subject.reader;
  order.uid = subject.uid;
  order.file_size = subject.question.file_size;
  order.start_bytes = start_of(subject);
  const bool by_mapping = assistance.way == Assistance::Way::mapping;
  order.way = by_mapping ? PrefetchOrder::Way::mapping : PrefetchOrder::Way::descriptor;
  order.account = assistance.account == Assistance::Account::daemon
                      ? PrefetchOrder::Account::daemon
                      : PrefetchOrder::Account::reader;
  order.step_bytes =
      by_mapping ? default_window_bytes
                 : std::clamp(subject.window_bytes, default_window_bytes, largest_step_bytes);
  if (subject.stand_down) {
    order.unit_bytes = assistance.random ? page_fault_bytes : default_window_bytes;
  }
  return order;
}

}  // namespace

Accelerator::Accelerator(Loop& loop, const KernelFs& kernel, Programs programs, Hooks hooks)
    : kernel_(kernel),
      hooks_(std::move(hooks)),
      prefetcher_(loop.get(), std::move(programs.prefetch), Prefetcher::Limits(),
                  [this](const FileId& file, const PrefetchProgress& progress) {
                    on_progress(file, progress);
                  }),
      followers_(
          loop.get(), std::move(programs.follow),
          [this](const Reader& reader, const FollowReport& report) { on_report(reader, report); },
          [this] { set_timer(); }),
      timer_(loop.timer([this] { on_timer(); })) {}

HeadRoom Accelerator::room_for(const FileId& file, const Reader& reader,
                               bool account_to_daemon) const {
  HeadRoom room = read_head_room(kernel_, reader.process.pid, account_to_daemon);
  uint64_t unused = 0;
  for (const auto& [other_file, other] : files_) {
    if (other_file == file) continue;
    // Pages that are in but not used yet count as free there, and are not to be taken.
    const uint64_t promised =
        other.progress.ended ? other.progress.fetched_bytes : other.permit.budget_bytes;
    unused += promised - std::min(promised, consumed_of(other));
  }
  if (unused == 0) return room;
  room.bytes -= std::min(room.bytes, unused);
  room.limited_by += ", less what is read ahead of others";
  return room;
}

Assistance Accelerator::decide(Subject& subject) const {
  AssistanceQuestion& question = subject.question;
  // The files of control groups are read only where their answer matters.
  question.head_room.bytes = UINT64_MAX;
  Assistance assistance = decide_assistance(question);
  if (assistance.kind != Assistance::Kind::prefetch) return assistance;
  question.head_room = room_for(subject.reader.file, subject.reader, subject.account_to_daemon);
  assistance = decide_assistance(question);
  if (subject.account_to_daemon) assistance.account = Assistance::Account::daemon;
  return assistance;
}

Status Accelerator::start(const Subject& subject, const Assistance& decided) {
  const FileId& file = subject.reader.file;
  const PrefetchPermit permit{decided.budget_bytes, subject.question.shared};
  Status started = prefetcher_.start(order_of(subject, decided), permit);
  if (!started.ok()) return started;
  Ahead& ahead = files_[file];
  ahead.progress = {};
  ahead.room_ns = 0;
  ahead.subject = subject;
  ahead.assistance = decided;
  ahead.permit = permit;
  ahead.moved_ns = ahead.told_ns = ahead.rate_ns = monotonic_ns();
  ahead.rate_bytes = subject.question.missed_bytes;
  follow(ahead, subject);
  set_timer();
  return {};
}

bool Accelerator::join(const Subject& subject) {
  const auto found = files_.find(subject.reader.file);
  if (found == files_.end()) return false;
  Ahead& ahead = found->second;
  // Its worker had trouble with the other reader: this one may have its own.
  if (ahead.progress.ended && !is_fetched(ahead)) return false;
  if (!ahead.readers.contains(subject.reader)) follow(ahead, subject);
  if (subject.question.confirmed) confirm(subject.reader);
  return true;
}

void Accelerator::follow(Ahead& ahead, const Subject& subject) {
  Followed& followed = ahead.readers[subject.reader];
  followed.mapped = subject.question.mapped;
  followed.is_old = subject.loaded_before;
  followed.missed_bytes = subject.question.missed_bytes;
  if (!followed.mapped) {
    followed.moved_bytes = followed.position_bytes = followed.missed_bytes;
    ahead.read_bytes = std::max(ahead.read_bytes, followed.position_bytes);
  }
  start_follower(ahead, subject.reader, followed);
}

bool Accelerator::lacks_follower(const Reader& reader, const Followed& followed) const {
  return !followed.has_all && followed.followers < most_followers && !followers_.follows(reader);
}

void Accelerator::start_follower(const Ahead& ahead, const Reader& reader, Followed& followed) {
  if (!lacks_follower(reader, followed)) return;
  const uint64_t now_ns = monotonic_ns();
  if (followed.followers > 0 && now_ns < followed.follower_ns + follower_period_ns) return;
  // Without one its misses are all that tells: then the worker waits for those.
  if (!followers_.start(reader, ahead.subject.question.file_size).ok()) return;
  ++followed.followers;
  followed.follower_ns = now_ns;
  followed.at_start_bytes = followed.position_bytes;
  followed.read_bytes = 0;
}

std::optional<Assistance> Accelerator::confirm(const Reader& reader) {
  const auto found = files_.find(reader.file);
  if (found == files_.end() || !found->second.readers.contains(reader)) return std::nullopt;
  Ahead& ahead = found->second;
  AssistanceQuestion& question = ahead.subject.question;
  if (std::exchange(question.confirmed, true) || ahead.progress.ended) return std::nullopt;
  allow(ahead);
  question.head_room = ahead.room;
  return decide_assistance(question);
}

void Accelerator::share(const Reader& reader, bool shared) {
  const auto found = files_.find(reader.file);
  if (found == files_.end()) return;
  found->second.subject.question.shared = shared;
  allow(found->second);
}

const PrefetchProgress* Accelerator::progress(const Reader& reader) const {
  const auto found = files_.find(reader.file);
  const bool runs = found != files_.end() && found->second.subject.reader == reader &&
                    !found->second.progress.ended;
  return runs ? &found->second.progress : nullptr;
}

void Accelerator::stop(const Reader& reader) {
  const auto found = files_.find(reader.file);
  if (found == files_.end() || found->second.readers.erase(reader) == 0) return;
  followers_.stop(reader);
  Ahead& ahead = found->second;
  if (ahead.subject.reader != reader) return;
  // Its worker goes with it: the memory and the account are the reader's.
  prefetcher_.stop(reader.file);
  if (!ahead.readers.empty() && is_fetched(ahead)) {
    ahead.subject.reader = ahead.readers.begin()->first;
    ahead.progress.ended = true;
    set_timer();
    return;
  }
  std::vector<Reader> others;
  for (const auto& [other, followed] : ahead.readers) others.push_back(other);
  files_.erase(found);
  set_timer();
  for (const Reader& other : others) followers_.stop(other);
  for (const Reader& other : others) hooks_.on_free(other);
}

void Accelerator::stop_all() {
  for (const auto& [file, ahead] : files_) {
    prefetcher_.stop(file);
    for (const auto& [reader, followed] : ahead.readers) followers_.stop(reader);
  }
  files_.clear();
  set_timer();
}

bool Accelerator::follows(const Reader& reader) const {
  const auto found = files_.find(reader.file);
  return found != files_.end() && found->second.readers.contains(reader);
}

uint64_t Accelerator::consumed(const Reader& reader) const {
  const auto found = files_.find(reader.file);
  if (found == files_.end()) return 0;
  const auto followed = found->second.readers.find(reader);
  return followed == found->second.readers.end() ? 0 : followed->second.consumed_bytes;
}

uint64_t Accelerator::consumed_at_end(const Reader& reader) const {
  const uint64_t had = consumed(reader);
  const auto found = files_.find(reader.file);
  if (found == files_.end()) return had;
  const Ahead& ahead = found->second;
  const uint64_t since_ms =
      std::min((monotonic_ns() - ahead.told_ns) / 1'000'000, longest_look_ms) + 1;
  const uint64_t taken = std::max(2 * ahead.rate, cached_rate) / 1000 * since_ms;
  const uint64_t all = arrived(ahead);
  const uint64_t left = all - std::min(all, consumed_of(ahead));
  if (left == 0) return had;
  return std::max(had, hooks_.bytes_seen(reader)) + std::min(taken, left);
}

void Accelerator::on_progress(const FileId& file, const PrefetchProgress& progress) {
  const auto found = files_.find(file);
  if (found == files_.end()) return;
  Ahead& ahead = found->second;
  if (progress.fetched_bytes > ahead.progress.fetched_bytes) ahead.moved_ns = monotonic_ns();
  ahead.progress = progress;
  // What one has read may have been told before the worker told that it was there.
  std::vector<std::pair<Reader, uint64_t>> moved;
  for (auto& [reader, followed] : ahead.readers) {
    if (followed.mapped || !move_on(ahead, followed)) continue;
    if (followed.has_all) followers_.stop(reader);
    moved.emplace_back(reader, followed.consumed_bytes);
  }
  for (const auto& [reader, bytes] : moved) hooks_.on_consumed(reader, bytes);
  const auto still = files_.find(file);
  if (still == files_.end()) return;
  // Another reader's worker may have taken its place.
  if (!still->second.progress.ended) return allow(still->second);
  const Reader reader = still->second.subject.reader;
  set_timer();
  hooks_.on_ended(reader, progress);
}

void Accelerator::on_report(const Reader& reader, const FollowReport& report) {
  const auto found = files_.find(reader.file);
  if (found == files_.end()) return;
  Ahead& ahead = found->second;
  const auto at = ahead.readers.find(reader);
  if (at == ahead.readers.end()) return;
  Followed& followed = at->second;
  look_at_misses(reader, followed);
  count(ahead, followed, report);
  if (followed.has_all) followers_.stop(reader);
  ahead.told_ns = monotonic_ns();
  if (const uint64_t since_us = (ahead.told_ns - ahead.rate_ns) / 1000; since_us >= rate_us) {
    const uint64_t consumed = consumed_of(ahead);
    ahead.rate = (consumed - std::min(consumed, ahead.rate_bytes)) * 1'000'000 / since_us;
    ahead.rate_bytes = consumed;
    ahead.rate_ns = ahead.told_ns;
  }
  hooks_.on_consumed(reader, followed.consumed_bytes);
  const auto still = files_.find(reader.file);
  if (still != files_.end()) allow(still->second);
}

bool Accelerator::move_on(Ahead& ahead, Followed& followed) const {
  const uint64_t size = ahead.subject.question.file_size;
  const uint64_t read = followed.at_start_bytes + std::min(followed.read_bytes, size);
  followed.position_bytes = std::max(followed.position_bytes, std::min(read, arrived(ahead)));
  followed.has_all = followed.position_bytes >= size;
  if (followed.position_bytes <= ahead.read_bytes) return false;
  followed.moved_bytes += followed.position_bytes - ahead.read_bytes;
  followed.consumed_bytes = std::max(followed.consumed_bytes, followed.moved_bytes);
  ahead.read_bytes = followed.position_bytes;
  return true;
}

void Accelerator::count(Ahead& ahead, Followed& followed, const FollowReport& report) const {
  const uint64_t size = ahead.subject.question.file_size;
  const bool is_old = std::exchange(followed.is_old, false);
  const size_t fresh = ahead.covered.add(report.coverage);
  if (!followed.mapped) {
    followed.read_bytes = report.read_bytes;
    move_on(ahead, followed);
    return;
  }
  if (is_old) return;
  followed.has_all = report.coverage.is_whole(size);
  followed.own_parts += fresh;
  followed.consumed_bytes =
      std::max(followed.consumed_bytes, Coverage::bytes(followed.own_parts, size));
}

void Accelerator::on_timer() {
  const uint64_t now_ns = monotonic_ns();
  std::vector<FileId> silent;
  for (auto& [file, ahead] : files_) {
    for (auto& [reader, followed] : ahead.readers) start_follower(ahead, reader, followed);
    if (ahead.progress.ended) continue;
    for (auto& [reader, followed] : ahead.readers) look_at_misses(reader, followed);
    // One that is paced reports rarely; where its store hangs others read no longer either.
    const bool waits = !ahead.permit.paced && ahead.permit.budget_bytes >
                                                  ahead.progress.fetched_bytes + most_rounded_bytes;
    if (waits && now_ns >= ahead.moved_ns + most_silent_ns) {
      silent.push_back(file);
    } else {
      allow(ahead);
    }
  }
  for (const FileId& file : silent) {
    prefetcher_.stop(file);
    PrefetchProgress last = files_.at(file).progress;
    last.ended = true;
    last.trouble =
        "its store has not answered for " + std::to_string(most_silent_ns / 1'000'000'000) + " s";
    on_progress(file, last);
  }
  set_timer();
}

void Accelerator::set_timer() {
  const auto lacks = [this](const auto& entry) {
    return lacks_follower(entry.first, entry.second);
  };
  const bool any = std::any_of(files_.begin(), files_.end(), [&](const auto& entry) {
    const Ahead& ahead = entry.second;
    return !ahead.progress.ended || std::any_of(ahead.readers.begin(), ahead.readers.end(), lacks);
  });
  if (any) {
    timer_.set(monotonic_ns() + look_period_ns);
  } else {
    timer_.off();
  }
}

void Accelerator::allow(Ahead& ahead) {
  if (ahead.progress.ended) return;
  const Subject& subject = ahead.subject;
  const uint64_t now_ns = monotonic_ns();
  if (now_ns >= ahead.room_ns + room_period_ns) {
    const bool to_daemon = ahead.assistance.account == Assistance::Account::daemon;
    ahead.room = room_for(subject.reader.file, subject.reader, to_daemon);
    ahead.room_ns = now_ns;
  }
  if (pressure_.is_due(now_ns)) pressure_.look(read_memory_stall_us(kernel_), now_ns);
  AheadQuestion question;
  question.confirmed = subject.question.confirmed;
  question.random = ahead.assistance.random || ahead.assistance.jumps;
  question.file_size = subject.question.file_size;
  question.consumed_bytes = consumed_of(ahead);
  question.consumed_bytes_a_second = ahead.rate;
  // Others wait for memory: nothing more is taken at once. Below a limit of its own the reader
  // waits for its own pages to be dropped, a third of the time where its file is larger.
  const bool is_short = !ahead.room.of_own_group && pressure_.is_short(now_ns);
  question.head_room_bytes = is_short ? 0 : ahead.room.bytes;
  const uint64_t budget = budget_ahead(question);
  const PrefetchPermit permit{budget, subject.question.shared};
  const uint64_t told = ahead.permit.budget_bytes;
  // The worker reports when it has used up what it may, which comes back here: a few pages more
  // each time would be a packet for each few pages.
  const uint64_t change = std::max(budget, told) - std::min(budget, told);
  const bool final = budget == 0 || budget == question.file_size;
  const bool small = change == 0 || (change < prefetch_report_bytes && !final);
  if (small && permit.paced == ahead.permit.paced) return;
  const bool waited = told <= ahead.progress.fetched_bytes + most_rounded_bytes;
  if (waited || permit.paced != ahead.permit.paced) ahead.moved_ns = now_ns;
  ahead.permit = permit;
  prefetcher_.allow(subject.reader.file, permit);
}

uint64_t Accelerator::arrived(const Ahead& ahead) const {
  uint64_t missed = 0;
  for (const auto& [reader, followed] : ahead.readers) missed += hooks_.bytes_seen(reader);
  return std::min(ahead.subject.question.file_size, missed + ahead.progress.fetched_bytes);
}

bool Accelerator::is_fetched(const Ahead& ahead) const {
  return ahead.progress.fetched_bytes + least_missing_bytes >= ahead.subject.question.file_size;
}

void Accelerator::look_at_misses(const Reader& reader, Followed& followed) const {
  followed.missed_bytes = std::max(followed.missed_bytes, hooks_.bytes_seen(reader));
}

uint64_t Accelerator::consumed_of(const Ahead& ahead) {
  uint64_t consumed = std::max(
      ahead.read_bytes, Coverage::bytes(ahead.covered.count(), ahead.subject.question.file_size));
  // What it missed is in once it is touched, and all that tells of one that could not be followed.
  for (const auto& [reader, followed] : ahead.readers) {
    consumed = std::max({consumed, followed.consumed_bytes, followed.missed_bytes});
  }
  return consumed;
}

}  // namespace tuneshift
