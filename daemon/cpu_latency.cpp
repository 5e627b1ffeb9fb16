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
  // Opening it asks for the default, which changes nothing.
  const UniqueFd fd(open(device_.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd) return errno_error(errno, "open", device_);
  int32_t microseconds = 0;
  const ssize_t count = ::read(fd.get(), &microseconds, sizeof(microseconds));
  if (count != static_cast<ssize_t>(sizeof(microseconds))) {
    return errno_error(count < 0 ? errno : EIO, "read", device_);
  }
  return std::to_string(microseconds);
}

Status CpuLatency::write(std::string_view /*rest*/, std::string_view value) {
  const std::lock_guard lock(mutex_);
  if (value.empty()) {
    request_.reset();
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
  if (!request_) {
    opened = UniqueFd(open(device_.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY));
    if (!opened) return errno_error(errno, "open", device_);
  }
  const int fd = request_ ? request_.get() : opened.get();
  ssize_t count = 0;
  do {
    count = ::write(fd, &microseconds, sizeof(microseconds));
  } while (count < 0 && errno == EINTR);
  if (count != static_cast<ssize_t>(sizeof(microseconds))) {
    return errno_error(count < 0 ? errno : EIO, "write", device_);
  }
  if (opened) request_ = std::move(opened);
  return {};
}

}  // namespace tuneshift
