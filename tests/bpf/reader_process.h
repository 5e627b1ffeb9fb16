// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <sys/types.h>

#include <functional>

#include "daemon/unique_fd.h"

namespace tuneshift::test {

/// A process that does `work` and exits 0 when it returns true. It is a grandchild: the probes skip
/// their own process's children. Its parent dies with the test and takes it along.
class ReaderProcess {
 public:
  explicit ReaderProcess(const std::function<bool()>& work);
  ReaderProcess(const ReaderProcess&) = delete;
  ReaderProcess& operator=(const ReaderProcess&) = delete;
  ~ReaderProcess();

  /// It exists and waits for start().
  [[nodiscard]] pid_t pid() const { return pid_; }
  void start();
  /// Starts it if need be and waits for its end: whether its work succeeded.
  bool finish();

 private:
  pid_t pid_ = -1;
  pid_t guardian_ = -1;
  UniqueFd go_;
};

/// Whether `work` succeeded in a process of its own.
bool run_reader(const std::function<bool()>& work);

}  // namespace tuneshift::test
