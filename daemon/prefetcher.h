// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <systemd/sd-event.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "libtune/event.h"
#include "libtune/result.h"

namespace tuneshift {

/// What a worker is to read ahead of whom.
struct PrefetchOrder {
  enum class Way {
    descriptor,  ///< through a descriptor of its own, opened as the reader's user
    mapping,     ///< through the reader's own mappings: where one more open throws the reader's
                 ///< pages out (FUSE)
  };
  enum class Account {
    reader,  ///< the pages are charged to the reader's control group
    daemon,  ///< and to the daemon's own
  };
  Reader reader;
  uint64_t file_size = 0;
  /// Where the worker begins; behind the file's end it goes on with what is before this place. A
  /// multiple of 4 MiB, less than the file.
  uint64_t start_bytes = 0;
  Way way = Way::descriptor;
  Account account = Account::reader;
  /// What one request reads at most: the store's read_ahead_kb for a descriptor that is opened
  /// now, the one at the time of the reader's own open for its mappings. 4 KiB to 1 GiB.
  uint64_t step_bytes = uint64_t{128} << 10;
  /// What the reader waits for at once where nobody reads ahead of it: its window, or a page. The
  /// worker ends where the store gives as much so. 0: it goes on all the same. Up to 1 GiB.
  uint64_t unit_bytes = 0;
  uint32_t uid = 0;  ///< the reader's, for Limits::workers_a_user; the worker looks for itself
};

/// How far a worker may go for now, and how.
struct PrefetchPermit {
  uint64_t budget_bytes = 0;  ///< in all, counted from where it begins; 0: none yet
  bool paced = false;         ///< others read from its store: evenly, and not all that it gives

  bool operator==(const PrefetchPermit&) const = default;
};

/// How far a worker has come.
struct PrefetchProgress {
  uint64_t fetched_bytes = 0;  ///< of the file, asked for and arrived (or found cached)
  bool ended = false;          ///< the worker's last word: no more is said of the file
  std::string engine;          ///< what it reads with, empty before the first request
  std::string trouble;         ///< why it ended early, for people; empty when it did not
  uint64_t cpu_us = 0;         ///< of the worker, user and system
};

/// Runs a process (tuneshift-prefetch) for each file that is read ahead. Nothing here waits for
/// one: it is killed, and its end seen by the loop.
class Prefetcher {
 public:
  struct Limits {
    unsigned workers = 16;         ///< at once; stuck ones that outlive SIGKILL still count
    unsigned workers_a_store = 8;  ///< of those: a store that hangs keeps its own
    unsigned workers_a_user = 8;   ///< and so does a user
  };
  /// Called from the loop, at most once for about 16 MiB and once with `ended`. It may call the
  /// prefetcher.
  using Handler = std::function<void(const FileId&, const PrefetchProgress&)>;

  /// `helper` is the path of tuneshift-prefetch. The loop must outlive the prefetcher.
  Prefetcher(sd_event* loop, std::string helper, Limits limits, Handler handler);
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;
  /// Kills the workers; does not wait for one that is stuck in the kernel.
  ~Prefetcher();

  /// Does nothing when the file has a worker. limit_exceeded when there are too many at all,
  /// on the file's device or for the user, invalid_argument for an order that no worker would take.
  Status start(const PrefetchOrder& order, const PrefetchPermit& permit);

  /// A new permit; its budget may be larger or smaller. Nothing when the file has no worker.
  void allow(const FileId& file, const PrefetchPermit& permit);

  /// Ends the file's worker; the handler hears no more of it.
  void stop(const FileId& file);

  /// Whether the file has a worker that was not told to stop.
  [[nodiscard]] bool runs(const FileId& file) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tuneshift
