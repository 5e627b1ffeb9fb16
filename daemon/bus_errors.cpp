// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/bus_errors.h"

namespace tuneshift {

namespace {

constexpr const char* prefix = "org.tuneshift1.Error.";

}  // namespace

sdbus::Error bus_error(const Error& error, const std::string& not_found_name) {
  switch (error.code) {
    case ErrorCode::not_found:
      return bus::error(prefix + not_found_name, error.message);
    case ErrorCode::invalid_argument:
      return bus::error(std::string(prefix) + "InvalidArgument", error.message);
    case ErrorCode::limit_exceeded:
      return bus::error(std::string(prefix) + "LimitExceeded", error.message);
    case ErrorCode::busy:
      return bus::error(std::string(prefix) + "Busy", error.message);
    case ErrorCode::permission:
      return bus::error("org.freedesktop.DBus.Error.AccessDenied", error.message);
    case ErrorCode::timeout:
    case ErrorCode::io:
    case ErrorCode::unsupported:
      break;
  }
  return bus::error("org.freedesktop.DBus.Error.Failed", error.message);
}

sdbus::Error invalid_argument(const std::string& message) {
  return bus::error(std::string(prefix) + "InvalidArgument", message);
}

sdbus::Error busy() {
  return bus_error({ErrorCode::busy, "too many questions are waiting already", {}, 0}, "");
}

sdbus::Error access_denied() {
  return bus::error("org.freedesktop.DBus.Error.AccessDenied", "not permitted");
}

BusRow to_row(const Record& record) {
  BusRow row;
  for (const auto& [key, value] : record.fields) {
    row[key] = std::visit([](const auto& plain) { return sdbus::Variant(plain); }, value);
  }
  row["time"] = sdbus::Variant(record.time_us);
  row["mono"] = sdbus::Variant(record.mono_us);
  row["kind"] = sdbus::Variant(record.kind);
  row["text"] = sdbus::Variant(record.text);
  return row;
}

BusRows to_rows(const std::vector<Record>& records) {
  BusRows rows;
  rows.reserve(records.size());
  for (const Record& record : records) rows.push_back(to_row(record));
  return rows;
}

}  // namespace tuneshift
