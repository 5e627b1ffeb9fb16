// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/prefetcher.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "daemon/helper_pool.h"
#include "daemon/prefetch_protocol.h"

namespace tuneshift {

struct Prefetcher::State {
  // A worker that was not told to stop, and has not said its last word.
  struct Work {
    HelperPool::Id id = 0;
    PrefetchProgress progress;  // as last heard
    uint64_t file_size = 0;
    uint64_t packets_left = 0;
  };

  State(sd_event* loop, std::string helper, Limits given, Handler heard)
      : limits(given),
        handler(std::move(heard)),
        pool(loop, std::move(helper), limits.workers, max_prefetch_packet_bytes,
             {[this](HelperPool::Id id, std::string_view packet) { on_packet(id, packet); },
              [this](HelperPool::Id id, const std::string& how) {
                running.erase(id);
                give_up(id, "the worker ended early: " + how);
              },
              [this](HelperPool::Id id) { running.erase(id); }}) {}

  void on_packet(HelperPool::Id id, std::string_view packet);
  void say(HelperPool::Id id, const PrefetchProgress& progress);
  void give_up(HelperPool::Id id, std::string trouble);
  /// Why no more may be started for this order; empty when one may.
  [[nodiscard]] std::string in_the_way(const PrefetchOrder& order) const;

  Limits limits;
  Handler handler;
  HelperPool pool;
  std::map<FileId, Work> works;
  std::map<HelperPool::Id, PrefetchOrder> running;  // also those that are stuck
};

std::string Prefetcher::State::in_the_way(const PrefetchOrder& order) const {
  const FileId& file = order.reader.file;
  unsigned of_store = 0;
  unsigned of_user = 0;
  for (const auto& [id, other] : running) {
    const FileId& known = other.reader.file;
    of_store += known.device_major == file.device_major && known.device_minor == file.device_minor;
    of_user += other.uid == order.uid;
  }
  if (of_store >= limits.workers_a_store) return "too many files of its store are read ahead";
  if (of_user >= limits.workers_a_user) return "too many files are read ahead for its user";
  return {};
}

void Prefetcher::State::on_packet(HelperPool::Id id, std::string_view packet) {
  const auto found = std::find_if(works.begin(), works.end(),
                                  [id](const auto& entry) { return entry.second.id == id; });
  if (found == works.end()) return;
  Work& work = found->second;
  const auto progress = parse_prefetch_progress(packet, work.file_size);
  if (!progress.ok()) return give_up(id, progress.error().message);
  if (work.packets_left-- == 0) return give_up(id, "the worker says too much");
  say(id, progress.value());
}

void Prefetcher::State::say(HelperPool::Id id, const PrefetchProgress& progress) {
  const auto found = std::find_if(works.begin(), works.end(),
                                  [id](const auto& entry) { return entry.second.id == id; });
  if (found == works.end()) return;
  // The handler may start and stop workers.
  const FileId file = found->first;
  found->second.progress = progress;
  if (progress.ended) {
    works.erase(found);
    // One that lingers after its last word is not waited for.
    pool.stop(id);
  }
  handler(file, progress);
}

void Prefetcher::State::give_up(HelperPool::Id id, std::string trouble) {
  const auto found = std::find_if(works.begin(), works.end(),
                                  [id](const auto& entry) { return entry.second.id == id; });
  if (found == works.end()) return;
  PrefetchProgress last = found->second.progress;
  last.ended = true;
  last.trouble = std::move(trouble);
  say(id, last);
}

Prefetcher::Prefetcher(sd_event* loop, std::string helper, Limits limits, Handler handler)
    : state_(std::make_unique<State>(loop, std::move(helper), limits, std::move(handler))) {}

Prefetcher::~Prefetcher() = default;

Status Prefetcher::start(const PrefetchOrder& order, const PrefetchPermit& permit) {
  const FileId& file = order.reader.file;
  if (state_->works.contains(file)) return {};
  if (std::string reason = state_->in_the_way(order); !reason.empty()) {
    return Error{ErrorCode::limit_exceeded, std::move(reason), {}, 0};
  }
  const std::string packet = format_prefetch_task({order, permit});
  if (auto sound = parse_prefetch_task(packet); !sound) return sound.error();
  auto started = state_->pool.start(packet);
  if (!started) return started.error();
  State::Work& work = state_->works[file];
  work.id = started.value();
  work.file_size = order.file_size;
  // One that says more than it has to say is not ours any more.
  work.packets_left = order.file_size / prefetch_report_bytes + 16;
  state_->running[work.id] = order;
  return {};
}

void Prefetcher::allow(const FileId& file, const PrefetchPermit& permit) {
  const auto found = state_->works.find(file);
  if (found == state_->works.end()) return;
  found->second.packets_left += 2;  // how far it came with the old one, and with this one
  state_->pool.say(found->second.id, format_prefetch_permit(permit));
}

void Prefetcher::stop(const FileId& file) {
  const auto found = state_->works.find(file);
  if (found == state_->works.end()) return;
  const HelperPool::Id id = found->second.id;
  state_->works.erase(found);
  state_->pool.stop(id);
}

bool Prefetcher::runs(const FileId& file) const {
  return state_->works.contains(file);
}

}  // namespace tuneshift
