// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <sys/resource.h>

#include <csignal>
#include <stdexcept>

namespace tuneshift::test {

/// No file of this process grows beyond `bytes` while it lives.
class FullDisk {
 public:
  explicit FullDisk(size_t bytes) : handler_(::signal(SIGXFSZ, SIG_IGN)) {
    rlimit full = {};
    if (::getrlimit(RLIMIT_FSIZE, &before_) != 0) throw std::runtime_error("getrlimit");
    full = before_;
    full.rlim_cur = bytes;
    if (::setrlimit(RLIMIT_FSIZE, &full) != 0) throw std::runtime_error("setrlimit");
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, handler_);
  }

 private:
  void (*handler_)(int);
  rlimit before_ = {};
};

}  // namespace tuneshift::test
