// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "tests/inspect/readers.h"

namespace tuneshift::testing {

/// A FUSE file system of one file, served by a process of its own in a mount namespace of its own:
/// whatever happens to the test, nothing stays mounted. It drops a file's pages at every open, as
/// libfuse does by default.
class FuseServer {
 public:
  /// Shared with the server.
  struct Control {
    std::atomic<bool> hang_reads;    ///< reads are never answered
    std::atomic<bool> hang_flushes;  ///< nor is close(2)
    std::atomic<unsigned> opens;
    std::atomic<unsigned> unanswered;
  };

  explicit FuseServer(const std::string& beginning);
  ~FuseServer();
  FuseServer(const FuseServer&) = delete;
  FuseServer& operator=(const FuseServer&) = delete;

  Control& control() { return *control_; }
  /// The file, as this process reaches it.
  [[nodiscard]] std::string path() const;
  /// Ends the server: the kernel then fails every request that waits.
  void end() { server_->end(); }

 private:
  Scratch scratch_;
  Control* control_;
  std::unique_ptr<Process> server_;
};

}  // namespace tuneshift::testing
