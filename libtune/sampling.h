// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "libtune/event.h"

namespace tuneshift {

/// What one process has taken in since it started, in bytes.
struct Intake {
  uint64_t device_bytes = 0;  ///< read_bytes of proc_pid_io(5): fetched from a disk for it
  uint64_t read_bytes = 0;    ///< rchar of proc_pid_io(5): read(2) and its like, cached or not
  uint64_t mapped_bytes = 0;  ///< shared of proc_pid_statm(5): pages of files that it has touched
};

/// A large regular file that a process has open or mapped.
struct HeldFile {
  FileId file;  ///< as stat(2) and proc/PID/maps show it: on overlayfs not as the probes do
  uint64_t size = 0;
  bool has_disk = true;  ///< false on FUSE, NFS, btrfs and their like
};

/// A reader as sampling sees it.
struct SampledRead {
  Reader reader;
  uint64_t first_ns = 0;  ///< CLOCK_MONOTONIC; from when on it was counted
  uint64_t bytes = 0;     ///< of this file since then
  uint64_t file_size = 0;
  bool has_disk = true;
  bool from_birth = false;  ///< the first file of a process that was counted from its start on
};

/// Which stores to sample; on others the probes see every read.
struct SampledStores {
  bool with_disk = false;
  bool without_disk = false;

  [[nodiscard]] bool none() const { return !with_disk && !without_disk; }
  bool operator==(const SampledStores&) const = default;
};

/// Tells readers of large files from the figures that the kernel keeps of each process: what takes
/// the place of the probes where a kernel refuses them. Coarse: who is done between two looks and
/// has let go of its file is missed, and bytes are a process's, dealt out to the files that it
/// holds, the last one opened first. Pure; the caller reads and asks.
class Sampling {
 public:
  /// Growth that makes a process worth asking for its files (TUNESHIFT_STEP_BYTES of the probes).
  static constexpr uint64_t least_bytes = 8ULL << 20;
  /// The most processes asked after one look: each costs a helper process.
  static constexpr size_t most_asked = 8;
  /// A younger process is counted from its start on, all of its memory as well.
  static constexpr uint64_t young_ns = 10'000'000'000;
  /// One without large files is asked again after twice as many looks each time, up to this.
  static constexpr unsigned longest_pause = 15;
  /// Who is not seen in so many looks has gone.
  static constexpr unsigned most_absent = 64;

  void set_stores(SampledStores stores) { stores_ = stores; }

  /// The figures of a process in this look.
  void see(const ProcessId& process, uint64_t age_ns, const Intake& intake, uint64_t now_ns);
  /// Ends the look: whose files to ask for, who grew most first.
  std::vector<ProcessId> whom_to_ask();
  /// The answer, the last file opened first.
  std::vector<SampledRead> on_files(const ProcessId& process, const std::vector<HeldFile>& files);
  /// There was none.
  void on_no_answer(const ProcessId& process);
  /// No more is wanted of this reader.
  void silence(const Reader& reader);

 private:
  struct Process {
    Intake last;
    Intake grown;  ///< since its files were asked for
    uint64_t first_ns = 0;
    bool from_birth = false;  ///< and has not been told of
    bool asked = false;
    unsigned seen_in = 0;
    unsigned pause = 0;  ///< after an answer without a use
    unsigned skips = 0;  ///< looks left of it
    std::map<FileId, uint64_t> bytes;
    std::set<FileId> silent;
  };

  [[nodiscard]] uint64_t growth(const Process& process) const;
  static void pause(Process& process);

  SampledStores stores_;
  std::map<ProcessId, Process> processes_;
  unsigned look_ = 0;
};

}  // namespace tuneshift
