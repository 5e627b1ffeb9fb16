// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/cpu_latency.h"

#include <fcntl.h>

#include <cerrno>

#include "libtune/number.h"

namespace tuneshift {

namespace {

constexpr int64_t largest_us = 2000000000;

}  // namespace

Result<std::string> CpuLatency::read(std::string_view /*rest*/) {
  const std::lock_guard lock(mutex_);
  if (fd_) return std::to_string(requested_);
  if (access(device_.c_str(), F_OK) != 0) return errno_error(errno, "open", device_);
  return std::string("unset");
}

Status CpuLatency::write(std::string_view /*rest*/, std::string_view value) {
  const std::lock_guard lock(mutex_);
  if (value.empty() || value == "unset") {
    fd_.reset();
    return {};
  }
  const auto number = parse_integer(value);
  if (!number || *number < 0 || *number > largest_us) {
    return Error{ErrorCode::invalid_argument,
                 device_ + ": '" + std::string(value) + "' is no latency from 0 to 2000000000 µs",
                 device_, 0};
  }
  return request(static_cast<int32_t>(*number));
}

Status CpuLatency::request(int32_t microseconds) {
  // A descriptor that is open already is changed: between two there would be no request at all.
  UniqueFd opened;
  if (!fd_) {
    opened = UniqueFd(open(device_.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY));
    if (!opened) return errno_error(errno, "open", device_);
  }
  const int fd = fd_ ? fd_.get() : opened.get();
  ssize_t count = 0;
  do {
    count = ::write(fd, &microseconds, sizeof(microseconds));
  } while (count < 0 && errno == EINTR);
  if (count != static_cast<ssize_t>(sizeof(microseconds))) {
    return errno_error(count < 0 ? errno : EIO, "write", device_);
  }
  if (opened) fd_ = std::move(opened);
  requested_ = microseconds;
  return {};
}

}  // namespace tuneshift
