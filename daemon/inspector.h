// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <systemd/sd-event.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libtune/event.h"
#include "libtune/facts.h"
#include "libtune/format_rule.h"
#include "libtune/result.h"
#include "libtune/sampling.h"

namespace tuneshift {

/// Asks a helper process (tuneshift-inspect) what a reader is reading. Everything that may block
/// for ever (a dead NFS, a hostile FUSE) happens in the helper: one at a time for each file
/// system, a bounded number and queue in all, killed at its deadline.
class Inspector {
 public:
  struct Limits {
    uint64_t deadline_ms = 2000;
    /// At once; stuck ones that outlive SIGKILL still count. A third of them for the processes of
    /// one user but root, whose own file systems may hang as they like; all ids that users have
    /// below their own (subuid(5)) count as one user.
    unsigned helpers = 8;
    unsigned waiting = 256;  ///< requests beyond are answered limit_exceeded
  };
  using Handler = std::function<void(const Reader&, Result<Facts>)>;

  /// `helper` is the path of tuneshift-inspect. The loop must outlive the inspector.
  Inspector(sd_event* loop, std::string helper, Limits limits, Handler handler);
  Inspector(const Inspector&) = delete;
  Inspector& operator=(const Inspector&) = delete;
  /// Kills the helpers that still run; does not wait for one that is stuck in the kernel.
  ~Inspector();

  /// The handler is called later, from the loop, exactly once for each call: with facts, or with
  /// timeout, not_found (process or file gone), permission, limit_exceeded or io.
  void inspect(const Reader& reader, uint64_t file_size);

  /// Asks for the files of `floor_bytes` or more that a process holds; one process at a time. The
  /// handler is called later, from the loop, exactly once for each call.
  void list_files(const ProcessId& process, uint64_t floor_bytes);
  using FilesHandler = std::function<void(const ProcessId&, const Result<std::vector<HeldFile>>&)>;
  void on_files(FilesHandler handler);

  /// The formats that later inspections look for; none until it is called.
  void set_rules(const FormatRules& rules);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tuneshift
