// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "daemon/prefetch_protocol.h"

namespace tuneshift {

/// A worker's end of what it and the daemon say to each other.
class DaemonLink {
 public:
  DaemonLink(int socket, const PrefetchPermit& permit) : socket_(socket), permit_(permit) {}

  /// Takes in what the daemon has said; waits for a word of it for so long, without a time until
  /// there is one. False when the daemon has let go of this worker.
  bool listen(std::optional<uint64_t> wait_us);
  /// How many bytes may be fetched in all.
  [[nodiscard]] uint64_t budget_bytes() const { return permit_.budget_bytes; }
  [[nodiscard]] bool is_paced() const { return permit_.paced; }

  void set_engine(const char* engine) { engine_ = engine; }
  /// Tells how far it is, when that is news enough.
  void report(uint64_t fetched_bytes);
  /// Tells it all the same, before a wait.
  void report_now(uint64_t fetched_bytes);
  /// The last word; no trouble: all is done.
  void end(const std::string& trouble);

 private:
  void send_report(bool ended, const std::string& trouble, int flags);

  int socket_;
  PrefetchPermit permit_;
  uint64_t fetched_bytes_ = 0;
  uint64_t reported_bytes_ = 0;
  std::string engine_;
};

}  // namespace tuneshift
