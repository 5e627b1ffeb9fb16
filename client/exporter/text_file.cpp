// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/exporter/text_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace tuneshift {

namespace {

bool write_all(int file, const std::string& content) {
  size_t written = 0;
  while (written < content.size()) {
    const ssize_t count = write(file, content.data() + written, content.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    written += static_cast<size_t>(count);
  }
  return true;
}

}  // namespace

Status replace_text_file(const std::string& path, const std::string& content) {
  std::string fresh = path + ".XXXXXX";
  const int file = mkostemp(fresh.data(), O_CLOEXEC);
  if (file < 0) return errno_error(errno, "create", fresh);
  bool done = write_all(file, content) && fchmod(file, 0644) == 0;
  int error = errno;
  if (close(file) != 0 && done) {
    done = false;
    error = errno;
  }
  if (done && rename(fresh.c_str(), path.c_str()) == 0) return {};
  if (done) error = errno;
  unlink(fresh.c_str());
  return errno_error(error, "write", path);
}

}  // namespace tuneshift
