// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/helper_pool.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <list>
#include <utility>
#include <vector>

#include "daemon/event_source.h"
#include "daemon/spawn_helper.h"

namespace tuneshift {

struct HelperPool::State {
  struct Slot {
    State* state = nullptr;
    Id id = 0;
    Helper helper;
    bool silent = false;  // stopped
    EventSource packets;
    EventSource exit;
  };

  Status watch(Slot& slot);
  Slot* find(Id id);

  static int on_packet(sd_event_source*, int fd, uint32_t events, void* data);
  static int on_exit(sd_event_source*, int fd, uint32_t events, void* data);

  sd_event* loop = nullptr;
  std::string program;
  unsigned most = 0;
  size_t packet_bytes = 0;
  Handlers handlers;
  std::list<Slot> slots;
  Id last_id = 0;
};

HelperPool::State::Slot* HelperPool::State::find(Id id) {
  const auto found = std::find_if(slots.begin(), slots.end(),
                                  [id](const Slot& slot) { return slot.id == id && !slot.silent; });
  return found == slots.end() ? nullptr : &*found;
}

Status HelperPool::State::watch(Slot& slot) {
  int error = sd_event_add_io(loop, slot.packets.out(), slot.helper.socket.get(), EPOLLIN,
                              on_packet, &slot);
  if (error >= 0) {
    error =
        sd_event_add_io(loop, slot.exit.out(), slot.helper.pidfd.get(), EPOLLIN, on_exit, &slot);
  }
  if (error >= 0) {
    // What it has said comes before its end.
    error = sd_event_source_set_priority(*slot.exit.out(), SD_EVENT_PRIORITY_NORMAL + 1);
  }
  if (error < 0) return errno_error(-error, "watch a helper");
  return {};
}

int HelperPool::State::on_packet(sd_event_source*, int fd, uint32_t, void* data) {
  auto& slot = *static_cast<Slot*>(data);
  std::vector<char> packet(slot.state->packet_bytes);
  const ssize_t got = recv(fd, packet.data(), packet.size(), MSG_DONTWAIT);
  // ECONNRESET: it ended with a packet unread. Told once, and before what it has said.
  if (got < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNRESET)) return 0;
  if (got <= 0) {
    // It says nothing more: on_exit() knows how it ended.
    slot.packets.reset();
    return 0;
  }
  slot.state->handlers.on_packet(slot.id, {packet.data(), static_cast<size_t>(got)});
  return 0;
}

int HelperPool::State::on_exit(sd_event_source*, int, uint32_t, void* data) {
  auto& slot = *static_cast<Slot*>(data);
  State& state = *slot.state;
  const siginfo_t info = reap_helper(slot.helper);
  slot.exit.reset();
  std::list<Slot> gone;
  const auto at = std::find_if(state.slots.begin(), state.slots.end(),
                               [&](const Slot& other) { return &other == &slot; });
  gone.splice(gone.begin(), state.slots, at);
  if (slot.silent) {
    state.handlers.on_stopped(slot.id);
  } else {
    state.handlers.on_end(slot.id, describe_end(info));
  }
  return 0;
}

HelperPool::HelperPool(sd_event* loop, std::string program, unsigned most, size_t packet_bytes,
                       Handlers handlers)
    : state_(std::make_unique<State>()) {
  state_->loop = loop;
  state_->program = std::move(program);
  state_->most = most;
  state_->packet_bytes = packet_bytes;
  state_->handlers = std::move(handlers);
}

HelperPool::~HelperPool() {
  for (const State::Slot& slot : state_->slots) {
    kill_helper(slot.helper);
    reap_helper(slot.helper);
  }
}

Result<HelperPool::Id> HelperPool::start(std::string_view packet) {
  if (state_->slots.size() >= state_->most) {
    return Error{ErrorCode::limit_exceeded,
                 "there are " + std::to_string(state_->most) + " of its helpers already",
                 {},
                 0};
  }
  auto spawned = spawn_helper(state_->program, packet);
  if (!spawned) return spawned.error();
  State::Slot& slot = state_->slots.emplace_back();
  slot.state = state_.get();
  slot.id = ++state_->last_id;
  slot.helper = std::move(spawned.value());
  if (Status watched = state_->watch(slot); !watched.ok()) {
    kill_helper(slot.helper);
    reap_helper(slot.helper);
    state_->slots.pop_back();
    return watched.error();
  }
  return slot.id;
}

void HelperPool::say(Id id, std::string_view packet) {
  State::Slot* const slot = state_->find(id);
  if (slot == nullptr) return;
  send(slot->helper.socket.get(), packet.data(), packet.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void HelperPool::stop(Id id) {
  State::Slot* const slot = state_->find(id);
  if (slot == nullptr) return;
  slot->silent = true;
  slot->packets.reset();
  kill_helper(slot->helper);
}

}  // namespace tuneshift
