// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/bus_connection.h"

#include <poll.h>

#include <algorithm>
#include <utility>

namespace tuneshift {

namespace {

constexpr uint64_t ms = 1'000'000;
constexpr uint64_t first_retry_ms = 1000;
constexpr uint64_t last_retry_ms = 30000;
constexpr unsigned most_messages_a_turn = 64;

}  // namespace

BusConnection::BusConnection(Loop& loop, std::string name, Handlers handlers)
    : loop_(loop),
      name_(std::move(name)),
      handlers_(std::move(handlers)),
      timeout_(loop.timer([this] { process(); })),
      retry_(loop.timer([this] { connect(); })),
      retry_after_ms_(first_retry_ms) {}

BusConnection::~BusConnection() {
  io_ = Source();
  if (connection_) handlers_.lost(std::move(connection_));
}

void BusConnection::start() {
  connect();
}

void BusConnection::connect() {
  try {
    connection_ = sdbus::createSystemBusConnection();
    handlers_.connected(*connection_);
    connection_->requestName(bus::ServiceName(name_));
    io_ = loop_.watch(connection_->getEventLoopPollData().fd, [this] { process(); });
    sd_event_source_set_prepare(io_.get(), [](sd_event_source*, void* callback) {
      // The source's callback is process(): everything that waits is done before sleeping.
      // A copy, because a lost bus destroys the source.
      const auto copy = *static_cast<std::function<void()>*>(callback);
      copy();
      return 0;
    });
    retry_after_ms_ = first_retry_ms;
  } catch (const sdbus::Error& error) {
    disconnect(error.getMessage());
  }
}

void BusConnection::process() {
  if (!connection_) return;
  try {
    // Bounded: a flood of calls must not keep the loop from events, timers and the watchdog. What
    // is left makes the next wait end at once.
    for (unsigned done = 0; done < most_messages_a_turn; ++done) {
      if (!bus::process_pending(*connection_)) break;
    }
    prepare();
  } catch (const sdbus::Error& error) {
    disconnect(error.getMessage());
  }
}

void BusConnection::prepare() {
  // What to wait for changes with every message: asked anew before each sleep.
  const auto poll = connection_->getEventLoopPollData();
  const auto events =
      ((poll.events & POLLIN) ? EPOLLIN : 0U) | ((poll.events & POLLOUT) ? EPOLLOUT : 0U);
  sd_event_source_set_io_events(io_.get(), events);
  if (const auto deadline_us = bus::poll_deadline_us(poll)) {
    timeout_.set(*deadline_us * 1000);
  } else {
    timeout_.off();
  }
}

void BusConnection::disconnect(const std::string& problem) {
  handlers_.problem("not on the bus: " + problem + "; trying again in " +
                    std::to_string(retry_after_ms_ / 1000) + " s");
  io_ = Source();
  timeout_.off();
  handlers_.lost(std::move(connection_));
  connection_.reset();
  retry_.set(monotonic_ns() + retry_after_ms_ * ms);
  retry_after_ms_ = std::min(retry_after_ms_ * 2, last_retry_ms);
}

}  // namespace tuneshift
