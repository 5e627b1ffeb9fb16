// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "daemon/loop.h"
#include "daemon/prefetcher.h"
#include "libtune/assistance.h"
#include "libtune/event.h"
#include "libtune/kernel_fs.h"
#include "libtune/process_sample.h"

namespace tuneshift {

/// Has files read ahead of readers whom the kernel's own read-ahead does not help: decides with
/// decide_assistance(), runs one worker a file however many read it, and follows how far its reader
/// is, by which the worker may go on. Its timer runs only while it reads ahead of somebody.
class Accelerator {
 public:
  struct Subject {
    Reader reader;
    AssistanceQuestion question;  ///< decide() fills in the head room
    uint64_t window_bytes = 0;    ///< what a descriptor that is opened now reads ahead
    bool account_to_daemon = false;
  };
  struct Hooks {
    std::function<uint64_t(const Reader&)> bytes_seen;  ///< missed by the reader itself
    /// More of the file has come to the reader. May stop() anything.
    std::function<void(const Reader&, uint64_t bytes)> on_consumed;
    std::function<void(const Reader&, const PrefetchProgress&)> on_ended;
  };

  /// `helper` is the path of tuneshift-prefetch.
  Accelerator(Loop& loop, const KernelFs& kernel, std::string helper, Hooks hooks);

  /// What decide_assistance() says with the head room that there is. Nothing is done.
  Assistance decide(Subject& subject) const;
  /// Starts the worker that was decided for; see Prefetcher::start().
  Status start(const Subject& subject, const Assistance& decided);
  /// The reader turned out to be a load: more may be read ahead of it. What holds for it from now
  /// on, the first time.
  std::optional<Assistance> confirm(const Reader& reader);
  /// How far the worker has come that still reads ahead of it; nullptr when none does.
  [[nodiscard]] const PrefetchProgress* progress(const Reader& reader) const;
  /// Nothing more is read ahead of this reader.
  void stop(const Reader& reader);
  void stop_all();

  /// Whether this reader is read ahead of, or was and is still followed.
  [[nodiscard]] bool follows(const Reader& reader) const;
  /// How much of the file has come to the reader by now: it is looked at, unless it was lately.
  uint64_t consumed(const Reader& reader);
  /// The same of a reader that has just ended, which nothing tells of any more: what it had, and
  /// what it will have taken since at the rate it had.
  [[nodiscard]] uint64_t consumed_at_end(const Reader& reader) const;

 private:
  struct Ahead {
    Subject subject;
    Assistance assistance;
    ProcessSample at_start;  ///< as it was before the reader had anything of the file
    PrefetchProgress progress;
    uint64_t allowed_bytes = 0;  ///< as the worker was told
    uint64_t consumed_bytes = 0;
    uint64_t missed_bytes = 0;  ///< by the reader itself, when consumed_bytes was told
    uint64_t rate = 0;          ///< bytes a second
    uint64_t look_ns = 0;       ///< of the last sample
  };

  void on_progress(const FileId& file, const PrefetchProgress& progress);
  void on_timer();
  void set_timer();
  void look(Ahead& ahead, uint64_t now_ns);
  /// Looks, tells, and says how far the worker may go.
  void follow(const Reader& reader);
  void allow(Ahead& ahead);
  [[nodiscard]] uint64_t arrived(const Ahead& ahead) const;
  Ahead* find(const Reader& reader);
  [[nodiscard]] const Ahead* find(const Reader& reader) const;

  const KernelFs& kernel_;
  Hooks hooks_;
  Prefetcher prefetcher_;
  Timer timer_;
  std::map<FileId, Ahead> files_;
};

}  // namespace tuneshift
