// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/loop.h"

#include <csignal>
#include <ctime>
#include <system_error>
#include <utility>

namespace tuneshift {

namespace {

using Callback = std::function<void()>;

uint64_t clock_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

void check(int result, const char* what) {
  if (result < 0) throw std::system_error(-result, std::generic_category(), what);
}

void call(void* callback) {
  // A copy, so that a callback may destroy its own source.
  const Callback copy = *static_cast<Callback*>(callback);
  copy();
}

int on_io(sd_event_source*, int, uint32_t, void* callback) {
  call(callback);
  return 0;
}

int on_time(sd_event_source*, uint64_t, void* callback) {
  call(callback);
  return 0;
}

int on_signal_event(sd_event_source*, const signalfd_siginfo*, void* callback) {
  call(callback);
  return 0;
}

}  // namespace

int reexec_signal() {
  return SIGRTMIN + 25;
}

uint64_t monotonic_ns() {
  return clock_ns(CLOCK_MONOTONIC);
}

uint64_t realtime_us() {
  return clock_ns(CLOCK_REALTIME) / 1000;
}

Source& Source::operator=(Source&& other) noexcept {
  std::swap(source_, other.source_);
  std::swap(callback_, other.callback_);
  return *this;
}

Source::~Source() {
  sd_event_source_disable_unref(source_);
}

void Timer::set(uint64_t at_ns) {
  sd_event_source_set_time(source_.get(), (at_ns + 999) / 1000);
  sd_event_source_set_enabled(source_.get(), SD_EVENT_ONESHOT);
}

void Timer::off() {
  if (source_) sd_event_source_set_enabled(source_.get(), SD_EVENT_OFF);
}

Loop::Loop() {
  // Before any thread is made: one that does not block them would take them and die.
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, reexec_signal()}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  check(sd_event_new(&event_), "sd_event_new");
  sd_event_set_watchdog(event_, 1);
}

Loop::~Loop() {
  sd_event_unref(event_);
}

Source Loop::watch(int fd, std::function<void()> callback, uint32_t events) {
  auto owned = std::make_shared<Callback>(std::move(callback));
  sd_event_source* source = nullptr;
  check(sd_event_add_io(event_, &source, fd, events, on_io, owned.get()), "sd_event_add_io");
  return {source, std::move(owned)};
}

Timer Loop::timer(std::function<void()> callback) {
  auto owned = std::make_shared<Callback>(std::move(callback));
  sd_event_source* source = nullptr;
  constexpr uint64_t accuracy_us = 1000;
  check(sd_event_add_time(event_, &source, CLOCK_MONOTONIC, 0, accuracy_us, on_time, owned.get()),
        "sd_event_add_time");
  sd_event_source_set_enabled(source, SD_EVENT_OFF);
  return Timer({source, std::move(owned)});
}

Source Loop::on_signal(int signal, std::function<void()> callback) {
  auto owned = std::make_shared<Callback>(std::move(callback));
  sd_event_source* source = nullptr;
  check(sd_event_add_signal(event_, &source, signal, on_signal_event, owned.get()),
        "sd_event_add_signal");
  // Once quit() was called nothing else runs: one that was taken from the kernel would be lost.
  if (signal == SIGINT || signal == SIGTERM)
    sd_event_source_set_priority(source, SD_EVENT_PRIORITY_IMPORTANT);
  return {source, std::move(owned)};
}

void Loop::run() {
  check(sd_event_loop(event_), "sd_event_loop");
}

void Loop::quit() {
  sd_event_exit(event_, 0);
}

}  // namespace tuneshift
