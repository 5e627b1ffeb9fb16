// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace tuneshift::test {

/// A process of its own session that owns what a run needs of the machine: the lock on its knobs,
/// loop devices, a FUSE file system, a folder. When the last process of the run has ended, however
/// it ended, it puts every knob back and takes its devices away.
class Keeper {
 public:
  /// Waits for the lock. Needs root.
  explicit Keeper(int loops);
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;
  ~Keeper();

  [[nodiscard]] const std::vector<std::string>& loops() const { return loops_; }
  /// The FUSE file system's bdi, "0:44"; empty where none could be mounted.
  [[nodiscard]] const std::string& bdi() const { return bdi_; }
  [[nodiscard]] const std::string& folder() const { return folder_; }

  /// Ends it; whether it found everything as it was.
  bool finish();

 private:
  std::vector<std::string> loops_;
  std::string bdi_;
  std::string folder_;
  int alive_ = -1;  ///< open in every process of the run
  pid_t pid_ = -1;
};

}  // namespace tuneshift::test
