// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/prefetcher.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <list>
#include <utility>

#include "daemon/event_source.h"
#include "daemon/prefetch_protocol.h"
#include "daemon/spawn_helper.h"

namespace tuneshift {

struct Prefetcher::State {
  // A worker from its start until the kernel has let go of it.
  struct Slot {
    State* state = nullptr;
    PrefetchOrder order;
    Helper helper;
    PrefetchProgress progress;  // as last heard
    uint64_t packets_left = 0;
    bool silent = false;  // stopped, or its last word was said
    EventSource report;
    EventSource exit;
  };

  Status start(const PrefetchTask& task);
  Status watch(Slot& slot);
  void say(Slot& slot, PrefetchProgress progress);
  void give_up(Slot& slot, std::string trouble);
  Slot* find(const FileId& file);

  static int on_report(sd_event_source*, int fd, uint32_t events, void* data);
  static int on_exit(sd_event_source*, int fd, uint32_t events, void* data);

  sd_event* loop = nullptr;
  std::string helper;
  Limits limits;
  Handler handler;
  std::list<Slot> slots;
};

Prefetcher::State::Slot* Prefetcher::State::find(const FileId& file) {
  const auto found = std::find_if(slots.begin(), slots.end(), [&](const Slot& slot) {
    return slot.order.reader.file == file && !slot.silent;
  });
  return found == slots.end() ? nullptr : &*found;
}

Status Prefetcher::State::start(const PrefetchTask& task) {
  if (find(task.order.reader.file) != nullptr) return {};
  if (slots.size() >= limits.workers) {
    return Error{ErrorCode::limit_exceeded, "too many files are read ahead already", {}, 0};
  }
  const std::string packet = format_prefetch_task(task);
  if (auto sound = parse_prefetch_task(packet); !sound) return sound.error();
  auto spawned = spawn_helper(helper, packet);
  if (!spawned) return spawned.error();
  Slot& slot = slots.emplace_back();
  slot.state = this;
  slot.order = task.order;
  slot.helper = std::move(spawned.value());
  // One that says more than it has to say is not ours any more.
  slot.packets_left = task.order.file_size / prefetch_report_bytes + 16;
  Status watched = watch(slot);
  if (!watched.ok()) {
    kill_helper(slot.helper);
    slots.pop_back();
  }
  return watched;
}

Status Prefetcher::State::watch(Slot& slot) {
  int error =
      sd_event_add_io(loop, slot.report.out(), slot.helper.socket.get(), EPOLLIN, on_report, &slot);
  if (error >= 0) {
    error =
        sd_event_add_io(loop, slot.exit.out(), slot.helper.pidfd.get(), EPOLLIN, on_exit, &slot);
  }
  if (error >= 0) {
    // What it has said comes before its end.
    error = sd_event_source_set_priority(*slot.exit.out(), SD_EVENT_PRIORITY_NORMAL + 1);
  }
  if (error < 0) return errno_error(-error, "watch the worker that reads ahead");
  return {};
}

void Prefetcher::State::say(Slot& slot, PrefetchProgress progress) {
  slot.progress = std::move(progress);
  if (slot.progress.ended) {
    slot.silent = true;
    slot.report.reset();
  }
  // Copies: the handler may start and stop workers.
  const FileId file = slot.order.reader.file;
  const PrefetchProgress said = slot.progress;
  handler(file, said);
}

void Prefetcher::State::give_up(Slot& slot, std::string trouble) {
  PrefetchProgress last = slot.progress;
  last.ended = true;
  last.trouble = std::move(trouble);
  say(slot, std::move(last));
}

int Prefetcher::State::on_report(sd_event_source*, int fd, uint32_t, void* data) {
  auto& slot = *static_cast<Slot*>(data);
  char packet[max_prefetch_packet_bytes];
  const ssize_t got = recv(fd, packet, sizeof packet, MSG_DONTWAIT);
  // ECONNRESET: it ended with a budget unread. Told once, and before what it has said.
  if (got < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNRESET)) return 0;
  if (got <= 0) {
    // It ended without a last word: on_exit() knows how.
    slot.report.reset();
    return 0;
  }
  auto progress = parse_prefetch_progress({packet, static_cast<size_t>(got)}, slot.order.file_size);
  if (progress.ok() && slot.packets_left-- > 0) {
    slot.state->say(slot, std::move(progress.value()));
  } else {
    kill_helper(slot.helper);
    slot.state->give_up(slot,
                        progress.ok() ? "the worker says too much" : progress.error().message);
  }
  return 0;
}

int Prefetcher::State::on_exit(sd_event_source*, int, uint32_t, void* data) {
  auto& slot = *static_cast<Slot*>(data);
  State& state = *slot.state;
  const siginfo_t info = reap_helper(slot.helper);
  slot.exit.reset();
  std::list<Slot> gone;
  const auto at = std::find_if(state.slots.begin(), state.slots.end(),
                               [&](const Slot& other) { return &other == &slot; });
  gone.splice(gone.begin(), state.slots, at);
  if (!slot.silent) state.give_up(slot, "the worker ended early: " + describe_end(info));
  return 0;
}

Prefetcher::Prefetcher(sd_event* loop, std::string helper, Limits limits, Handler handler)
    : state_(std::make_unique<State>()) {
  state_->loop = loop;
  state_->helper = std::move(helper);
  state_->limits = limits;
  state_->handler = std::move(handler);
}

Prefetcher::~Prefetcher() {
  for (const State::Slot& slot : state_->slots) {
    kill_helper(slot.helper);
    reap_helper(slot.helper);
  }
}

Status Prefetcher::start(const PrefetchOrder& order, uint64_t budget_bytes) {
  return state_->start({order, budget_bytes});
}

void Prefetcher::allow(const FileId& file, uint64_t budget_bytes) {
  State::Slot* const slot = state_->find(file);
  if (slot == nullptr) return;
  slot->packets_left += 2;  // how far it came with the old one, and with this one
  // A worker that does not take its packets is stuck, and goes on with what it was told.
  send(slot->helper.socket.get(), &budget_bytes, sizeof budget_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void Prefetcher::stop(const FileId& file) {
  State::Slot* const slot = state_->find(file);
  if (slot == nullptr) return;
  slot->silent = true;
  slot->report.reset();
  kill_helper(slot->helper);
}

bool Prefetcher::runs(const FileId& file) const {
  return state_->find(file) != nullptr;
}

}  // namespace tuneshift
