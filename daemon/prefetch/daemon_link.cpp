// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/prefetch/daemon_link.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>
#include <ctime>

namespace tuneshift {

namespace {

uint64_t own_cpu_us() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto us = [](const timeval& time) {
    return static_cast<uint64_t>(time.tv_sec) * 1000000 + static_cast<uint64_t>(time.tv_usec);
  };
  return us(usage.ru_utime) + us(usage.ru_stime);
}

}  // namespace

bool DaemonLink::listen(std::optional<uint64_t> wait_us) {
  if (wait_us != 0U) {
    pollfd heard{socket_, POLLIN, 0};
    timespec time{};
    if (wait_us) {
      time = {static_cast<time_t>(*wait_us / 1000000),
              static_cast<long>(*wait_us % 1000000 * 1000)};
    }
    ppoll(&heard, 1, wait_us ? &time : nullptr, nullptr);
  }
  for (;;) {
    char packet[64];
    const ssize_t got = recv(socket_, packet, sizeof packet, MSG_DONTWAIT);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    const auto permit = parse_prefetch_permit({packet, static_cast<size_t>(got)});
    if (!permit) return false;
    permit_ = permit.value();
  }
}

void DaemonLink::report(uint64_t fetched_bytes) {
  fetched_bytes_ = fetched_bytes;
  if (fetched_bytes - reported_bytes_ >= prefetch_report_bytes) report_now(fetched_bytes);
}

void DaemonLink::report_now(uint64_t fetched_bytes) {
  fetched_bytes_ = fetched_bytes;
  if (fetched_bytes == reported_bytes_) return;
  reported_bytes_ = fetched_bytes;
  send_report(false, {}, MSG_DONTWAIT);
}

void DaemonLink::end(const std::string& trouble) {
  send_report(true, trouble, 0);
}

void DaemonLink::send_report(bool ended, const std::string& trouble, int flags) {
  PrefetchProgress progress;
  progress.fetched_bytes = fetched_bytes_;
  progress.ended = ended;
  progress.engine = engine_;
  progress.trouble = trouble;
  progress.cpu_us = own_cpu_us();
  const std::string packet = format_prefetch_progress(progress);
  send(socket_, packet.data(), packet.size(), MSG_NOSIGNAL | flags);
}

}  // namespace tuneshift
