// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/device_watch.h"

#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace tuneshift {

namespace {

constexpr uint32_t kernel_group = 1;  // lib/kobject_uevent.c: group 1 is the kernel's own
constexpr size_t most_at_once = 256;  // the rest comes with the next turn of the loop

}  // namespace

DeviceWatch::DeviceWatch(Loop& loop, Handler handler) : handler_(std::move(handler)) {
  fd_ = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
  if (fd_ < 0) return;
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = kernel_group;
  if (bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
    close(fd_);
    fd_ = -1;
    return;
  }
  source_ = loop.watch(fd_, [this] { read_uevents(); });
}

DeviceWatch::~DeviceWatch() {
  source_ = Source();
  if (fd_ >= 0) close(fd_);
}

void DeviceWatch::read_uevents() {
  std::vector<DeviceEvent> events;
  for (size_t count = 0; count < most_at_once; ++count) {
    std::array<char, 8192> buffer{};
    sockaddr_nl sender{};
    socklen_t length = sizeof sender;
    const ssize_t got = recvfrom(fd_, buffer.data(), buffer.size(), MSG_TRUNC,
                                 reinterpret_cast<sockaddr*>(&sender), &length);
    if (got < 0 && errno != EINTR && errno != ENOBUFS) break;
    if (got >= 0 && sender.nl_pid != 0) continue;  // not from the kernel
    const bool lost = got < 0 ? errno == ENOBUFS : static_cast<size_t>(got) > buffer.size();
    if (lost) events.push_back({.action = DeviceEvent::Action::overflow, .name = {}});
    if (lost || got < 0) continue;
    if (auto event = parse_uevent({buffer.data(), static_cast<size_t>(got)}))
      events.push_back(std::move(*event));
  }
  if (!events.empty()) handler_(events);
}

}  // namespace tuneshift
