// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "daemon/loop.h"
#include "daemon/tuner.h"
#include "daemon/unique_fd.h"
#include "libtune/name_hasher.h"
#include "libtune/trace.h"

namespace tuneshift {

/// Recordings of what the detector is told and decides, each for a client that reads along. No
/// recording, no cost. Nothing here waits for a client: what it does not read in time is left out,
/// and the trace says how much.
class TraceBook {
 public:
  static constexpr size_t most_recordings = 4;
  /// Written, but not yet read by the client.
  static constexpr size_t most_waiting_bytes = 1 << 20;

  TraceBook(Loop& loop, const KernelFs& kernel, Tuner& tuner)
      : loop_(loop), kernel_(kernel), tuner_(tuner) {}
  TraceBook(const TraceBook&) = delete;
  TraceBook& operator=(const TraceBook&) = delete;
  ~TraceBook();

  /// Records into `socket`, which stays the caller's, until stop(), the end of `sender`, or the
  /// last of the socket's other ends. invalid_argument: no Unix stream socket; limit_exceeded.
  Status start(int socket, const std::string& sender, bool hash_names);
  /// Ends the recordings of a sender in order. not_found when it has none.
  Status stop(const std::string& sender);
  void sender_gone(const std::string& sender);
  void all_senders_gone();
  [[nodiscard]] bool has(const std::string& sender) const;

  /// Called when the last recording of a sender has ended.
  std::function<void(const std::string& sender)> sender_forgotten;

 private:
  struct Recording {
    std::string sender;
    UniqueFd socket;
    Source writable;
    std::string waiting;
    std::optional<NameHasher> hasher;
    TraceSettings settings;                          ///< the last that were written
    std::set<std::pair<uint32_t, uint32_t>> stores;  ///< devices whose store was written
    uint64_t lost_lines = 0;                         ///< since the last line
    size_t bytes = 0;                                ///< written so far
    size_t lines = 0;
    bool ending = false;
  };
  using Recordings = std::vector<std::unique_ptr<Recording>>;

  void begin(Recording& recording);
  void record(const TraceEntry& entry);
  void write(Recording& recording, TraceEntry entry);
  void append(Recording& recording, const std::string& line);
  void end(Recording& recording);
  void flush(Recording& recording);
  void remove(const Recording& recording);
  [[nodiscard]] TraceSettings settings() const;

  Loop& loop_;
  const KernelFs& kernel_;
  Tuner& tuner_;
  Recordings recordings_;
};

}  // namespace tuneshift
