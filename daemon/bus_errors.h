// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dbus/sdbus.h"
#include "libtune/history.h"
#include "libtune/result.h"

namespace tuneshift {

using BusRow = std::map<std::string, sdbus::Variant>;
using BusRows = std::vector<BusRow>;

/// The named error of the contract for a failure about a profile, knob or hold; `not_found_name`
/// is the last part of the name for ErrorCode::not_found ("NoSuchProfile").
sdbus::Error bus_error(const Error& error, const std::string& not_found_name);
sdbus::Error invalid_argument(const std::string& message);
sdbus::Error access_denied();
/// Too much waits already.
sdbus::Error busy();

BusRow to_row(const Record& record);
BusRows to_rows(const std::vector<Record>& records);

/// Sends a reply; a caller or a bus that went away meanwhile is nobody's mistake.
template <typename Result, typename... Values>
void reply(const std::shared_ptr<Result>& result, const Values&... values) {
  try {
    result->returnResults(values...);
  } catch (const sdbus::Error&) {  // NOLINT(bugprone-empty-catch): nobody is left to tell
  }
}

template <typename Result>
void reply_error(const std::shared_ptr<Result>& result, const sdbus::Error& error) {
  try {
    result->returnError(error);
  } catch (const sdbus::Error&) {  // NOLINT(bugprone-empty-catch): nobody is left to tell
  }
}

/// Runs a method's body. sdbus-c++ 1.x aborts the process on any exception but its own error type.
template <typename Result, typename Body>
void answer(const std::shared_ptr<Result>& result, Body body) {
  try {
    body();
  } catch (const sdbus::Error& error) {
    reply_error(result, error);
  } catch (const std::exception& error) {
    reply_error(result, bus::error("org.freedesktop.DBus.Error.Failed", error.what()));
  }
}

/// A result that callbacks can share.
template <typename... Values>
std::shared_ptr<sdbus::Result<Values...>> share(sdbus::Result<Values...> result) {
  return std::make_shared<sdbus::Result<Values...>>(std::move(result));
}

}  // namespace tuneshift
