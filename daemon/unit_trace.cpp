// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/unit_trace.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "daemon/unique_fd.h"

namespace tuneshift {

namespace {

constexpr std::string_view made_by_us = "made";
constexpr std::string_view found_there = "found";

}  // namespace

std::string file_identity(const std::string& path) {
  struct stat status {};
  if (path.empty() || lstat(path.c_str(), &status) != 0) return {};
  return std::to_string(status.st_ino) + "." + std::to_string(status.st_ctim.tv_sec) + "." +
         std::to_string(status.st_ctim.tv_nsec);
}

std::optional<UnitTrace> UnitTraces::find(const std::string& name) const {
  std::ifstream stream(file(name));
  std::string made;
  UnitTrace trace;
  if (!std::getline(stream, made) || !std::getline(stream, trace.drop_in) ||
      !std::getline(stream, trace.identity)) {
    return std::nullopt;
  }
  trace.made = made == made_by_us;
  trace.original.assign(std::istreambuf_iterator<char>(stream), {});
  if (file_identity(trace.drop_in) == trace.identity) return trace;
  forget(name);
  return std::nullopt;
}

Status UnitTraces::save(const std::string& name, const UnitTrace& trace) const {
  constexpr mode_t directory_mode = 0755;
  constexpr mode_t file_mode = 0600;
  if (mkdir(directory_.c_str(), directory_mode) != 0 && errno != EEXIST) {
    return errno_error(errno, "make", directory_);
  }
  const std::string text = std::string(trace.made ? made_by_us : found_there) + "\n" +
                           trace.drop_in + "\n" + trace.identity + "\n" + trace.original;
  // Replaced as a whole: a kill leaves the old one or the new one.
  const std::string fresh = file(name) + ".new";
  constexpr int flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC;
  const UniqueFd fd(open(fresh.c_str(), flags, file_mode));
  if (!fd) return errno_error(errno, "open", fresh);
  const ssize_t count = write(fd.get(), text.data(), text.size());
  if (count != static_cast<ssize_t>(text.size())) {
    return errno_error(count < 0 ? errno : ENOSPC, "write", fresh);
  }
  if (rename(fresh.c_str(), file(name).c_str()) != 0) return errno_error(errno, "rename", fresh);
  return {};
}

void UnitTraces::forget(const std::string& name) const {
  unlink(file(name).c_str());
}

}  // namespace tuneshift
