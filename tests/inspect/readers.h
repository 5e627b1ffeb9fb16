// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>

#include "libtune/event.h"

namespace tuneshift::testing {

/// A directory of its own that goes away with everything in it; others may enter it.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  [[nodiscard]] std::string path(const std::string& name) const { return directory_ + "/" + name; }
  [[nodiscard]] const std::string& directory() const { return directory_; }
  /// Creates a file that begins with `beginning` and is `size` bytes long; gives its path.
  [[nodiscard]] std::string file(const std::string& name, const std::string& beginning,
                                 uint64_t size = 1 << 20, mode_t mode = 0644) const;

 private:
  std::string directory_;
};

/// A forked process that does `work` and then waits to be killed. `work` returns false when it
/// failed.
class Process {
 public:
  explicit Process(const std::function<bool()>& work);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] ProcessId id() const;
  /// Lets the work go on that waits in wait_for_go(); returns when that is done.
  void go();
  /// In the process: tells the test that it may go on, and waits for go().
  static void wait_for_go();
  /// Kills and reaps it.
  void end();

 private:
  void wait_until_ready();
  pid_t pid_ = -1;
  int socket_ = -1;
};

/// Beginnings of real model files.
std::string safetensors_header();
std::string gguf_header();
std::string torch_header();

/// The reader that the probes would report for this process and file.
Reader reader_of(const Process& process, const std::string& path);

/// The kernel state of a mount namespace of its own, private to the calling process.
bool enter_own_mounts();

}  // namespace tuneshift::testing
