// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/result.h"

#include <cerrno>
#include <system_error>

namespace tuneshift {

namespace {

ErrorCode code_of(int errno_value) {
  switch (errno_value) {
    case ENOENT:
    case ESRCH:
    case ENODEV:
    case ENXIO:
      return ErrorCode::not_found;
    case EACCES:
    case EPERM:
      return ErrorCode::permission;
    case EBUSY:
    case EAGAIN:
      return ErrorCode::busy;
    case EINVAL:
    case ERANGE:
      return ErrorCode::invalid_argument;
    case ETIMEDOUT:
      return ErrorCode::timeout;
    case EOPNOTSUPP:
    case ENOSYS:
      return ErrorCode::unsupported;
    default:
      return ErrorCode::io;
  }
}

}  // namespace

Error Error::with_context(std::string_view context) const {
  Error outer = *this;
  outer.message = std::string(context) + ": " + message;
  return outer;
}

Error errno_error(int errno_value, std::string_view what, std::string_view path) {
  std::string message(what);
  if (!path.empty()) message.append(" ").append(path);
  message += ": " + std::generic_category().message(errno_value);
  return {code_of(errno_value), message, std::string(path), errno_value};
}

}  // namespace tuneshift
