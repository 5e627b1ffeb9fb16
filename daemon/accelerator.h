// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "daemon/followers.h"
#include "daemon/loop.h"
#include "daemon/prefetcher.h"
#include "libtune/assistance.h"
#include "libtune/coverage.h"
#include "libtune/event.h"
#include "libtune/head_room.h"
#include "libtune/kernel_fs.h"
#include "libtune/pressure.h"

namespace tuneshift {

/// Has files read ahead of readers whom the kernel's own read-ahead does not help: decides with
/// decide_assistance(), runs one worker a file however many read it, and follows each of its
/// readers, by which the worker may go on. Its timer runs only while it reads ahead of somebody.
class Accelerator {
 public:
  struct Subject {
    Reader reader;
    AssistanceQuestion question;  ///< decide() fills in the head room
    uint64_t window_bytes = 0;    ///< what a descriptor that is opened now reads ahead
    uint64_t position_bytes = 0;  ///< where in the file it is
    bool account_to_daemon = false;
    uint32_t uid = 0;            ///< the reader's
    bool stand_down = true;      ///< the worker ends where it brings nothing
    bool loaded_before = false;  ///< it loaded the same file, and may have it mapped twice
  };
  struct Hooks {
    std::function<uint64_t(const Reader&)> bytes_seen;  ///< missed by the reader itself
    /// More of the file has come to the reader. May stop() anything.
    std::function<void(const Reader&, uint64_t bytes)> on_consumed;
    /// The worker that read ahead of this reader is done.
    std::function<void(const Reader&, const PrefetchProgress&)> on_ended;
    /// The reader has gone whose file was being read ahead: this one of the same file may be
    /// helped.
    std::function<void(const Reader&)> on_free;
  };
  struct Programs {
    std::string prefetch;  ///< paths of tuneshift-prefetch
    std::string follow;    ///< and tuneshift-follow
  };

  Accelerator(Loop& loop, const KernelFs& kernel, Programs programs, Hooks hooks);

  /// What decide_assistance() says with the head room that there is. Nothing is done.
  Assistance decide(Subject& subject) const;
  /// Starts the worker that was decided for; see Prefetcher::start().
  Status start(const Subject& subject, const Assistance& decided);
  /// Counts what comes to another reader of a file that has a worker. False when it has none.
  bool join(const Subject& subject);
  /// The reader turned out to be a load: more may be read ahead of its file. What holds for that
  /// from now on, the first time.
  std::optional<Assistance> confirm(const Reader& reader);
  /// Others read from this reader's store, or do no longer: its worker spaces its requests.
  void share(const Reader& reader, bool shared);
  /// How far the worker has come that still reads ahead of it; nullptr when none does.
  [[nodiscard]] const PrefetchProgress* progress(const Reader& reader) const;
  /// Nothing more is read ahead of this reader.
  void stop(const Reader& reader);
  void stop_all();

  /// Whether this reader is read ahead of, or was and is still followed.
  [[nodiscard]] bool follows(const Reader& reader) const;
  /// How much of the file was last seen to have come to the reader: where several read it, to it
  /// first, so that the sum of them is the file. Its misses are in once it has touched them.
  [[nodiscard]] uint64_t consumed(const Reader& reader) const;
  /// The same of a reader that has just ended, which nothing tells of any more: what it had, and
  /// what it will have taken since at the rate it had.
  [[nodiscard]] uint64_t consumed_at_end(const Reader& reader) const;

 private:
  struct Followed {
    bool mapped = false;
    bool is_old = false;          ///< what is heard first is of an earlier load
    bool has_all = false;         ///< of the file: it is followed no longer
    unsigned followers = 0;       ///< that were started for it
    uint64_t follower_ns = 0;     ///< when the last one was
    uint64_t position_bytes = 0;  ///< how far it is where it has no mapping
    uint64_t at_start_bytes = 0;  ///< and was when its follower started
    uint64_t read_bytes = 0;      ///< since then, of any file
    uint64_t moved_bytes = 0;     ///< of the file that it read before any other reader
    size_t own_parts = 0;         ///< of the file that came to it before any other reader
    uint64_t missed_bytes = 0;    ///< as last looked at
    uint64_t consumed_bytes = 0;  ///< seen to come to it
  };
  /// A file that has, or had, a worker.
  struct Ahead {
    Subject subject;  ///< of the reader that the worker was started for
    Assistance assistance;
    PrefetchProgress progress;
    Coverage covered;         ///< by any of the readers
    uint64_t read_bytes = 0;  ///< by the one that is furthest without a mapping
    std::map<Reader, Followed> readers;
    PrefetchPermit permit;    ///< as the worker was told
    uint64_t moved_ns = 0;    ///< when the worker last fetched or was allowed something
    uint64_t rate = 0;        ///< bytes a second that came to its readers
    uint64_t rate_ns = 0;     ///< since when that is counted
    uint64_t rate_bytes = 0;  ///< and from how many
    uint64_t told_ns = 0;     ///< when something was last told of a reader
    HeadRoom room;
    uint64_t room_ns = 0;  ///< when it was read
  };

  void on_progress(const FileId& file, const PrefetchProgress& progress);
  void on_report(const Reader& reader, const FollowReport& report);
  /// By what a reader without a mapping has read, as far as that has arrived: true when it got on.
  bool move_on(Ahead& ahead, Followed& followed) const;
  void count(Ahead& ahead, Followed& followed, const FollowReport& report) const;
  void on_timer();
  void set_timer();
  void follow(Ahead& ahead, const Subject& subject);
  /// Starts its follower where it has none, also in place of one that has ended.
  void start_follower(const Ahead& ahead, const Reader& reader, Followed& followed);
  [[nodiscard]] bool lacks_follower(const Reader& reader, const Followed& followed) const;
  void allow(Ahead& ahead);
  /// What the process may have, less what was promised to workers of other files.
  [[nodiscard]] HeadRoom room_for(const FileId& file, const Reader& reader,
                                  bool account_to_daemon) const;
  [[nodiscard]] uint64_t arrived(const Ahead& ahead) const;
  /// Whether a worker has nothing left to do there.
  [[nodiscard]] bool is_fetched(const Ahead& ahead) const;
  void look_at_misses(const Reader& reader, Followed& followed) const;
  [[nodiscard]] static uint64_t consumed_of(const Ahead& ahead);

  const KernelFs& kernel_;
  Hooks hooks_;
  Prefetcher prefetcher_;
  Followers followers_;
  Timer timer_;
  MemoryPressure pressure_;
  std::map<FileId, Ahead> files_;
};

}  // namespace tuneshift
