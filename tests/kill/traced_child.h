// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace tuneshift::test {

/// One system call of the child.
struct SystemCall {
  uint64_t number = 0;
  uint64_t arguments[6] = {};
  int64_t result = 0;           ///< as the child sees it
  bool on_kernel_file = false;  ///< reads, writes or opens one rather than the journal
};

/// What is done to a call.
enum class Meddling {
  none,
  replace,  ///< it never happens and fails
  spoil,    ///< it happens, and the child is told that it failed
};

/// A forked copy of this process that runs one function, call by call.
class TracedChild {
 public:
  using Meddler = std::function<Meddling(const SystemCall&)>;

  /// The child ends with `body`'s result as its status.
  explicit TracedChild(const std::function<int()>& body);
  TracedChild(const TracedChild&) = delete;
  TracedChild& operator=(const TracedChild&) = delete;
  /// Kills it, if it still lives.
  ~TracedChild();

  /// Lets it run up to the return of its next call; nothing when it has ended. `meddler` says what
  /// becomes of a call that it is about to make, `error` is the errno for it.
  std::optional<SystemCall> step(const Meddler& meddler = {}, int error = 0);

  /// The two halves of a step: up to a call, and up to its return.
  std::optional<SystemCall> enter();
  bool leave(SystemCall& call, Meddling meddling, int error);

  /// Lets one that has entered a call run on by itself.
  void let_go() const;

  /// Runs it to its end; its exit status, or 128 + the signal that ended it.
  int finish();

  /// Sends SIGKILL without waiting for the end.
  void kill() const;
  void reap();

  [[nodiscard]] pid_t pid() const { return pid_; }
  /// Whether it has come to its end by now.
  bool has_ended();

  /// Text in its memory: up to a NUL, or `length` bytes.
  [[nodiscard]] std::string read_text(uint64_t address) const;
  [[nodiscard]] std::string read_bytes(uint64_t address, size_t length) const;

 private:
  bool resume(int request);
  pid_t pid_ = -1;
  int status_ = 0;
  bool ended_ = false;
  std::set<int> kernel_files_;
};

/// Whether a call works on files: those that can fail for reasons outside the program.
bool is_file_call(uint64_t number);

/// Whether a call that returned is such a one and not repeated: openat2(2) gives up with EAGAIN
/// when a rename or mount anywhere came in between, so those differ from life to life.
bool is_point(const SystemCall& call);

}  // namespace tuneshift::test
