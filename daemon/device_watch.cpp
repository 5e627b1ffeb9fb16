// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/device_watch.h"

#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

namespace tuneshift {

namespace {

constexpr uint32_t kernel_group = 1;  // lib/kobject_uevent.c: group 1 is the kernel's own

bool concerns_us(std::string_view message) {
  using namespace std::string_view_literals;
  return message.find("\0SUBSYSTEM=bdi\0"sv) != std::string_view::npos ||
         message.find("\0SUBSYSTEM=block\0"sv) != std::string_view::npos;
}

}  // namespace

DeviceWatch::DeviceWatch(Loop& loop, std::function<void()> handler) : handler_(std::move(handler)) {
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
  bool tell = false;
  while (true) {
    std::array<char, 8192> buffer{};
    sockaddr_nl sender{};
    socklen_t length = sizeof sender;
    const ssize_t got = recvfrom(fd_, buffer.data(), buffer.size(), 0,
                                 reinterpret_cast<sockaddr*>(&sender), &length);
    if (got < 0) {
      // Some were lost: look at everything anew.
      if (errno == ENOBUFS) tell = true;
      if (errno == EINTR || errno == ENOBUFS) continue;
      break;
    }
    const bool from_kernel = sender.nl_pid == 0;
    if (from_kernel && concerns_us({buffer.data(), static_cast<size_t>(got)})) tell = true;
  }
  if (tell) handler_();
}

}  // namespace tuneshift
