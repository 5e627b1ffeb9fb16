// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/bpf/watch.h"

#include <poll.h>

#include <algorithm>
#include <iterator>

namespace tuneshift::test {

namespace {

constexpr int patience_ms = 20000;

template <typename Predicate>
std::vector<Event> matching(const std::vector<Event>& events, Predicate predicate) {
  std::vector<Event> found;
  std::copy_if(events.begin(), events.end(), std::back_inserter(found), predicate);
  return found;
}

}  // namespace

Watch::Watch(const std::string& selftest_directory)
    : probes_({.size_floor_bytes = floor_bytes, .selftest_directory = selftest_directory},
              [this](const Event& event) { events_.push_back(event); }) {}

void Watch::take_events() {
  pollfd waiting{.fd = probes_.poll_fd(), .events = POLLIN, .revents = 0};
  while (probes_.dispatch() || poll(&waiting, 1, 0) == 1) {
  }
}

std::vector<Event> Watch::of(const FileId& file) {
  take_events();
  return matching(events_, [&](const Event& event) { return event.reader.file == file; });
}

std::vector<Event> Watch::of(pid_t pid) {
  take_events();
  return matching(events_, [&](const Event& event) { return event.reader.process.pid == pid; });
}

bool Watch::wait_for(const FileId& file) {
  while (of(file).empty()) {
    pollfd waiting{.fd = probes_.poll_fd(), .events = POLLIN, .revents = 0};
    if (poll(&waiting, 1, patience_ms) != 1) return false;
  }
  return true;
}

bool is_whole(uint64_t seen, uint64_t size) {
  return seen + mib >= size && seen <= size + mib;
}

}  // namespace tuneshift::test
