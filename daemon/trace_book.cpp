// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/trace_book.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace tuneshift {

namespace {

// What a trace may still hold when its last lines are written.
constexpr size_t last_lines = 8;
constexpr size_t last_bytes = 8 * longest_trace_line;

bool is_stream_socket(int fd) {
  const auto option = [fd](int name) {
    int value = -1;
    socklen_t length = sizeof value;
    return getsockopt(fd, SOL_SOCKET, name, &value, &length) == 0 ? value : -1;
  };
  return option(SO_DOMAIN) == AF_UNIX && option(SO_TYPE) == SOCK_STREAM;
}

}  // namespace

TraceBook::~TraceBook() {
  tuner_.listen({});
}

Status TraceBook::start(int socket, const std::string& sender, bool hash_names) {
  if (recordings_.size() >= most_recordings) {
    return Error{ErrorCode::limit_exceeded, "4 recordings are running already", {}, 0};
  }
  // A socket, because a call on it can be told not to wait; the flags of a pipe are its holders'.
  if (!is_stream_socket(socket)) {
    return Error{ErrorCode::invalid_argument, "the descriptor is no Unix stream socket", {}, 0};
  }
  auto recording = std::make_unique<Recording>();
  recording->sender = sender;
  recording->socket = UniqueFd(fcntl(socket, F_DUPFD_CLOEXEC, 3));
  if (!recording->socket) return errno_error(errno, "duplicate the socket");
  if (hash_names) {
    NameHasher::Key key{};
    if (getrandom(key.data(), sizeof key, 0) != sizeof key) return errno_error(errno, "getrandom");
    recording->hasher.emplace(key);
  }
  Recording& added = *recording;
  added.writable = loop_.watch(
      added.socket.get(), [this, &added] { flush(added); }, EPOLLOUT);
  recordings_.push_back(std::move(recording));
  tuner_.listen([this](const TraceEntry& entry) { record(entry); });
  begin(added);
  return {};
}

void TraceBook::begin(Recording& recording) {
  const uint64_t now_ns = monotonic_ns();
  append(recording, trace_header());
  TraceOrigin origin;
  origin.version = TUNESHIFT_VERSION;
  if (auto release = kernel_.read("proc/sys/kernel/osrelease"); release.ok()) {
    origin.kernel = release.value().substr(0, release.value().find('\n'));
  }
  write(recording, {now_ns, origin});
  const Machine& machine = tuner_.machine();
  write(recording, {now_ns, TraceMachine{machine.memory_bytes, machine.cpu_vendor,
                                         machine.virtualization, machine.cpu_policies}});
  for (const auto& [name, facts] : machine.disks) {
    write(recording, {now_ns, TraceDisk{name, facts}});
  }
  recording.settings = settings();
  write(recording, {now_ns, recording.settings});
}

void TraceBook::record(const TraceEntry& entry) {
  const TraceSettings now = settings();
  for (const auto& recording : recordings_) {
    if (recording->ending) continue;
    if (recording->settings != now) {
      recording->settings = now;
      write(*recording, {entry.time_ns, now});
    }
    if (const auto* event = std::get_if<Event>(&entry.body)) {
      const FileId& file = event->reader.file;
      if (recording->stores.emplace(file.device_major, file.device_minor).second) {
        write(*recording, {entry.time_ns, TraceStore{file.device_major, file.device_minor,
                                                     tuner_.store_of(event->reader)}});
      }
    }
    write(*recording, entry);
    if (recording->lines + last_lines > most_trace_lines ||
        recording->bytes + last_bytes > most_trace_bytes) {
      end(*recording);
    }
  }
}

void TraceBook::write(Recording& recording, TraceEntry entry) {
  if (recording.hasher) recording.hasher->hide_names(entry.body);
  const std::string line = to_line(entry);
  const bool fits = line.size() <= longest_trace_line &&
                    recording.waiting.size() + line.size() + last_bytes <= most_waiting_bytes;
  if (!fits) {
    ++recording.lost_lines;
    return;
  }
  if (const uint64_t lost = std::exchange(recording.lost_lines, 0); lost != 0) {
    append(recording, to_line({entry.time_ns, TraceLost{lost}}));
  }
  append(recording, line);
}

void TraceBook::append(Recording& recording, const std::string& line) {
  if (recording.waiting.empty()) {
    sd_event_source_set_io_events(recording.writable.get(), EPOLLOUT);
  }
  recording.waiting += line;
  recording.bytes += line.size();
  ++recording.lines;
}

void TraceBook::end(Recording& recording) {
  if (std::exchange(recording.ending, true)) return;
  const uint64_t now_ns = monotonic_ns();
  if (recording.lost_lines != 0) {
    append(recording, to_line({now_ns, TraceLost{recording.lost_lines}}));
  }
  append(recording, to_line({now_ns, TraceEnd{}}));
}

void TraceBook::flush(Recording& recording) {
  // Woken without anything to write: the other end is closed.
  bool open = !recording.waiting.empty();
  while (open && !recording.waiting.empty()) {
    const ssize_t sent = send(recording.socket.get(), recording.waiting.data(),
                              recording.waiting.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) return;
    open = sent > 0;
    if (open) recording.waiting.erase(0, static_cast<size_t>(sent));
  }
  if (!open || recording.ending) {
    remove(recording);
    return;
  }
  sd_event_source_set_io_events(recording.writable.get(), 0);
}

void TraceBook::remove(const Recording& recording) {
  const std::string sender = recording.sender;
  std::erase_if(recordings_, [&](const auto& one) { return one.get() == &recording; });
  if (recordings_.empty()) tuner_.listen({});
  if (!has(sender) && sender_forgotten) sender_forgotten(sender);
}

Status TraceBook::stop(const std::string& sender) {
  if (!has(sender)) return Error{ErrorCode::not_found, "you record nothing", {}, 0};
  for (const auto& recording : recordings_) {
    if (recording->sender == sender) end(*recording);
  }
  return {};
}

void TraceBook::sender_gone(const std::string& sender) {
  std::erase_if(recordings_, [&](const auto& one) { return one->sender == sender; });
  if (recordings_.empty()) tuner_.listen({});
}

void TraceBook::all_senders_gone() {
  recordings_.clear();
  tuner_.listen({});
}

bool TraceBook::has(const std::string& sender) const {
  return std::any_of(recordings_.begin(), recordings_.end(),
                     [&](const auto& one) { return one->sender == sender; });
}

TraceSettings TraceBook::settings() const {
  const Config& config = tuner_.config();
  return {config.settle_ms,       config.size_floor_bytes, config.dwell_ms,
          config.writes_per_hour, tuner_.policy().mode(),  config.loading_profile,
          config.serving_profile};
}

}  // namespace tuneshift
