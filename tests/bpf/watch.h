// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "daemon/probes.h"
#include "tests/bpf/cold_file.h"

namespace tuneshift::test {

constexpr uint64_t mib = 1 << 20;
constexpr uint64_t floor_bytes = 64 * mib;

/// Probes with a small floor, and what they told. Other tests read files at the same time: ask for
/// one file or one process.
class Watch {
 public:
  explicit Watch(const std::string& selftest_directory);

  [[nodiscard]] Probes& probes() { return probes_; }
  /// All that waits now, of this file. Reads that returned have left all their events.
  std::vector<Event> of(const FileId& file);
  std::vector<Event> of(pid_t pid);
  /// Waits in poll(2) until there is one of this file; false after 20 s without.
  bool wait_for(const FileId& file);

 private:
  void take_events();
  std::vector<Event> events_;
  Probes probes_;
};

/// Whether all of a file was seen, within 1 MiB: a page that somebody held stayed cached, one that
/// the machine took back between read-ahead and read was read again.
bool is_whole(uint64_t seen, uint64_t size);

}  // namespace tuneshift::test
