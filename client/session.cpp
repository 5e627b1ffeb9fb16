// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/session.h"

#include <cstdio>

namespace tuneshift {

std::string check_duration(const std::string& text) {
  const auto seconds = parse_duration(text);
  return seconds.ok() ? "" : seconds.error().message;
}

std::string check_time(const std::string& text) {
  const auto moment = parse_time(text, now_us());
  return moment.ok() ? "" : moment.error().message;
}

int fail(const Error& error) {
  std::fflush(stdout);
  std::fprintf(stderr, "tuneshiftctl: %s\n", error.message.c_str());
  return is_absent(error) ? kAbsent : kFailed;
}

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

void print(const Json& document) {
  print(document.document() + '\n');
}

void print_line(const Json& object) {
  print(object.line() + '\n');
  std::fflush(stdout);
}

int finish(const Status& status, const Session& session) {
  if (!status) return fail(status.error());
  if (session.json) print(Json::object());
  return kSuccess;
}

}  // namespace tuneshift
