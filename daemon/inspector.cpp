// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/inspector.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <fstream>
#include <iterator>
#include <list>
#include <utility>

#include "daemon/event_source.h"
#include "daemon/held_files.h"
#include "daemon/inspect_protocol.h"
#include "daemon/inspect_request.h"
#include "daemon/process_identity.h"
#include "daemon/spawn_helper.h"

namespace tuneshift {

namespace {

using Device = std::pair<uint32_t, uint32_t>;

Device device_of(const Reader& reader) {
  return {reader.file.device_major, reader.file.device_minor};
}

// Asks for a process's files, see InspectRequest. All of them share one slot, that of device 0:0.
bool is_listing(const Reader& reader) {
  return reader.file == FileId{};
}

Error timed_out() {
  return {ErrorCode::timeout, "the file system did not answer the inspector in time", {}, 0};
}

constexpr uint32_t first_subordinate_uid = 1U << 16;  // or above: SUB_UID_MIN, login.defs(5)

// The real one, of which no process makes another but a subordinate one; root's for one that has
// gone, as nothing hangs there.
uint32_t uid_of(const Reader& reader) {
  std::ifstream file("/proc/" + std::to_string(reader.process.pid) + "/status");
  const std::string status{std::istreambuf_iterator<char>(file), {}};
  const auto uid = static_cast<uint32_t>(parse_field(status, "Uid:").value_or(0));
  return std::min(uid, first_subordinate_uid);
}

std::string packet_for(const Reader& reader, uint64_t file_size, const std::string& rules) {
  InspectRequest request;
  request.pid = reader.process.pid;
  request.start_ns = reader.process.start_ns;
  request.inode = reader.file.inode;
  request.file_size = file_size;
  request.device_major = reader.file.device_major;
  request.device_minor = reader.file.device_minor;
  return format_inquiry(request, is_listing(reader) ? "" : rules);
}

}  // namespace

struct Inspector::State {
  struct Request {
    Reader reader;
    uint64_t file_size = 0;
    uint32_t uid = 0;
  };
  struct Answer {
    Reader reader;
    Error error;
  };
  // A helper from its start until the kernel has let go of it.
  struct Slot {
    State* state = nullptr;
    Reader reader;
    uint32_t uid = 0;
    Helper helper;
    bool answered = false;
    bool stuck = false;  // killed at its deadline and not gone yet
    EventSource reply;
    EventSource exit;
    EventSource deadline;
  };

  void inspect(const Reader& reader, uint64_t file_size);
  void start_waiting();
  void start(const Request& request);
  Status watch(Slot& slot);
  void defer(const Reader& reader, Error error);
  void answer(Slot& slot, const Result<std::string>& packet);
  void hand_on(const Reader& reader, const Result<std::string>& packet);
  void give_up_waiting();
  [[nodiscard]] const Slot* slot_of(Device device) const;
  /// How many slots this user may have has.
  [[nodiscard]] unsigned most_of(uint32_t uid) const;
  [[nodiscard]] bool has_room(uint32_t uid) const;
  /// Whether nothing will be asked for this user any more.
  [[nodiscard]] bool all_stuck(uint32_t uid) const;

  static int on_reply(sd_event_source*, int fd, uint32_t events, void* data);
  static int on_exit(sd_event_source*, int fd, uint32_t events, void* data);
  static int on_deadline(sd_event_source*, uint64_t now_us, void* data);
  static int on_deferred(sd_event_source*, void* data);

  sd_event* loop = nullptr;
  std::string helper;
  std::string rules;  // encoded
  Limits limits;
  Handler handler;
  FilesHandler files_handler;
  std::list<Slot> slots;
  std::deque<Request> waiting;
  std::deque<Answer> deferred;
  EventSource deferral;
};

const Inspector::State::Slot* Inspector::State::slot_of(Device device) const {
  const auto found = std::find_if(slots.begin(), slots.end(), [&](const Slot& slot) {
    return device_of(slot.reader) == device;
  });
  return found == slots.end() ? nullptr : &*found;
}

unsigned Inspector::State::most_of(uint32_t uid) const {
  return uid == 0 ? limits.helpers : std::max(1U, limits.helpers / 3);
}

bool Inspector::State::has_room(uint32_t uid) const {
  const auto own =
      std::count_if(slots.begin(), slots.end(), [&](const Slot& slot) { return slot.uid == uid; });
  return slots.size() < limits.helpers && static_cast<size_t>(own) < most_of(uid);
}

bool Inspector::State::all_stuck(uint32_t uid) const {
  const auto stuck = [&](bool any) {
    return static_cast<size_t>(std::count_if(slots.begin(), slots.end(), [&](const Slot& slot) {
      return slot.stuck && (any || slot.uid == uid);
    }));
  };
  return stuck(true) >= limits.helpers || stuck(false) >= most_of(uid);
}

void Inspector::State::defer(const Reader& reader, Error error) {
  deferred.push_back({reader, std::move(error)});
  sd_event_source_set_enabled(*deferral.out(), SD_EVENT_ONESHOT);
}

void Inspector::State::inspect(const Reader& reader, uint64_t file_size) {
  const bool own = std::any_of(slots.begin(), slots.end(), [&](const Slot& slot) {
    return slot.helper.pid == reader.process.pid;
  });
  // Helpers read headers too; looking into them would go on for ever.
  if (own) return defer(reader, Error{ErrorCode::unsupported, "an inspector, not a reader", {}, 0});
  const Slot* slot = slot_of(device_of(reader));
  const uint32_t uid = uid_of(reader);
  if ((slot != nullptr && slot->stuck) || all_stuck(uid)) return defer(reader, timed_out());
  if (waiting.size() >= limits.waiting) {
    return defer(reader, Error{ErrorCode::limit_exceeded, "too many inspections wait", {}, 0});
  }
  waiting.push_back({reader, file_size, uid});
  start_waiting();
}

void Inspector::State::start_waiting() {
  for (auto next = waiting.begin(); next != waiting.end() && slots.size() < limits.helpers;) {
    if (slot_of(device_of(next->reader)) != nullptr || !has_room(next->uid)) {
      ++next;
      continue;
    }
    const Request request = *next;
    next = waiting.erase(next);
    start(request);
  }
}

void Inspector::State::start(const Request& request) {
  auto spawned = spawn_helper(helper, packet_for(request.reader, request.file_size, rules));
  if (!spawned) return defer(request.reader, spawned.error());
  Slot& slot = slots.emplace_back();
  slot.state = this;
  slot.reader = request.reader;
  slot.uid = request.uid;
  slot.helper = std::move(spawned.value());
  const Status watched = watch(slot);
  if (watched.ok()) return;
  kill_helper(slot.helper);
  defer(request.reader, watched.error());
  slots.pop_back();
}

Status Inspector::State::watch(Slot& slot) {
  int error =
      sd_event_add_io(loop, slot.reply.out(), slot.helper.socket.get(), EPOLLIN, on_reply, &slot);
  if (error >= 0) {
    error =
        sd_event_add_io(loop, slot.exit.out(), slot.helper.pidfd.get(), EPOLLIN, on_exit, &slot);
  }
  if (error >= 0) {
    // Reply before exit when both wait: the exit of an unanswered helper is a failure.
    error = sd_event_source_set_priority(*slot.exit.out(), SD_EVENT_PRIORITY_NORMAL + 1);
  }
  if (error >= 0) {
    error = sd_event_add_time_relative(loop, slot.deadline.out(), CLOCK_MONOTONIC,
                                       limits.deadline_ms * 1000, 1000, on_deadline, &slot);
  }
  if (error >= 0) {
    // Last: it may be we who were held up, and who find an answer and its deadline at once.
    error = sd_event_source_set_priority(*slot.deadline.out(), SD_EVENT_PRIORITY_NORMAL + 2);
  }
  if (error < 0) return errno_error(-error, "watch the inspector");
  return {};
}

void Inspector::State::answer(Slot& slot, const Result<std::string>& packet) {
  if (slot.answered) return;
  slot.answered = true;
  slot.reply.reset();
  hand_on(slot.reader, packet);
}

void Inspector::State::hand_on(const Reader& reader, const Result<std::string>& packet) {
  if (!is_listing(reader)) {
    handler(reader, packet.ok() ? parse_inspect_reply(packet.value()) : packet.error());
  } else if (files_handler) {
    files_handler(reader.process, packet.ok() ? parse_held_files(packet.value()) : packet.error());
  }
}

// Those that nothing will serve any more: their device's helper is stuck, or all of their user's
// are.
void Inspector::State::give_up_waiting() {
  for (auto next = waiting.begin(); next != waiting.end();) {
    const Slot* slot = slot_of(device_of(next->reader));
    if (all_stuck(next->uid) || (slot != nullptr && slot->stuck)) {
      defer(next->reader, timed_out());
      next = waiting.erase(next);
    } else {
      ++next;
    }
  }
}

int Inspector::State::on_reply(sd_event_source*, int fd, uint32_t, void* data) {
  auto& slot = *static_cast<Slot*>(data);
  std::string packet(max_inspect_reply_bytes + 1, '\0');
  const ssize_t got = recv(fd, packet.data(), packet.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  if (got <= 0) {
    // It ended without a word: on_exit() knows how.
    slot.reply.reset();
    return 0;
  }
  packet.resize(static_cast<size_t>(got));
  slot.state->answer(slot, std::move(packet));
  return 0;
}

int Inspector::State::on_exit(sd_event_source*, int, uint32_t, void* data) {
  auto& slot = *static_cast<Slot*>(data);
  State& state = *slot.state;
  const siginfo_t info = reap_helper(slot.helper);
  state.answer(
      slot,
      Error{ErrorCode::io, "the inspector ended without an answer: " + describe_end(info), {}, 0});
  state.slots.remove_if([&](const Slot& other) { return &other == &slot; });
  state.start_waiting();
  return 0;
}

int Inspector::State::on_deadline(sd_event_source*, uint64_t, void* data) {
  auto& slot = *static_cast<Slot*>(data);
  State& state = *slot.state;
  kill_helper(slot.helper);
  slot.stuck = true;
  state.answer(slot, timed_out());
  state.give_up_waiting();
  return 0;
}

int Inspector::State::on_deferred(sd_event_source*, void* data) {
  auto& state = *static_cast<State*>(data);
  std::deque<Answer> ready;
  ready.swap(state.deferred);
  for (const Answer& answer : ready) state.hand_on(answer.reader, answer.error);
  return 0;
}

Inspector::Inspector(sd_event* loop, std::string helper, Limits limits, Handler handler)
    : state_(std::make_unique<State>()) {
  state_->loop = loop;
  state_->helper = std::move(helper);
  state_->limits = limits;
  state_->handler = std::move(handler);
  sd_event_add_defer(loop, state_->deferral.out(), State::on_deferred, state_.get());
  sd_event_source_set_enabled(*state_->deferral.out(), SD_EVENT_OFF);
}

Inspector::~Inspector() {
  for (const State::Slot& slot : state_->slots) {
    kill_helper(slot.helper);
    reap_helper(slot.helper);
  }
}

void Inspector::inspect(const Reader& reader, uint64_t file_size) {
  state_->inspect(reader, file_size);
}

void Inspector::list_files(const ProcessId& process, uint64_t floor_bytes) {
  state_->inspect({process, FileId{}}, floor_bytes);
}

void Inspector::on_files(FilesHandler handler) {
  state_->files_handler = std::move(handler);
}

void Inspector::set_rules(const FormatRules& rules) {
  state_->rules = encode_format_rules(rules);
}

}  // namespace tuneshift
