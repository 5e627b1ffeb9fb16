// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <sys/epoll.h>
#include <systemd/sd-event.h>

#include <cstdint>
#include <functional>
#include <memory>

namespace tuneshift {

/// CLOCK_MONOTONIC in ns and CLOCK_REALTIME in µs.
uint64_t monotonic_ns();
uint64_t realtime_us();

/// One thing the loop waits for; destroying it ends the waiting, also from its own callback.
class Source {
 public:
  Source() = default;
  Source(sd_event_source* source, std::shared_ptr<std::function<void()>> callback)
      : source_(source), callback_(std::move(callback)) {}
  Source(Source&& other) noexcept { *this = std::move(other); }
  Source& operator=(Source&& other) noexcept;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  ~Source();

  [[nodiscard]] sd_event_source* get() const { return source_; }
  explicit operator bool() const { return source_ != nullptr; }

 private:
  sd_event_source* source_ = nullptr;
  std::shared_ptr<std::function<void()>> callback_;
};

/// A one-shot timer that can be set again; it costs nothing while it is off.
class Timer {
 public:
  Timer() = default;
  explicit Timer(Source source) : source_(std::move(source)) {}
  /// Fires at this CLOCK_MONOTONIC time, to the millisecond.
  void set(uint64_t at_ns);
  void off();

 private:
  Source source_;
};

/// SIGRTMIN+25, as systemd's managers have it for the same (systemd(1), "Signals").
int reexec_signal();

/// The daemon's one event loop. Throws std::system_error when the kernel refuses (at start only).
class Loop {
 public:
  Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop();

  [[nodiscard]] sd_event* get() const { return event_; }
  /// Calls back while `fd` shows any of `events`; the fd stays the caller's.
  Source watch(int fd, std::function<void()> callback, uint32_t events = EPOLLIN);
  Timer timer(std::function<void()> callback);
  /// Calls back on SIGINT, SIGTERM, SIGHUP or reexec_signal(); the loop blocks these for all
  /// threads made after it.
  Source on_signal(int signal, std::function<void()> callback);

  /// Runs until quit(). Pings the watchdog where systemd asks for it (sd_event_set_watchdog(3)).
  void run();
  void quit();

 private:
  sd_event* event_ = nullptr;
};

}  // namespace tuneshift
