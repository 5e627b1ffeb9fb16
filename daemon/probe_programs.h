// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <bpf/libbpf.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/bpf_object.h"
#include "daemon/probes.h"
#include "daemon/reader_maps.h"
#include "daemon/unique_fd.h"

namespace tuneshift {

class SelfTestFile;

struct FreeRing {
  void operator()(ring_buffer* ring) const { ring_buffer__free(ring); }
};

/// Everything Probes owns in the kernel.
struct Probes::Programs {
  struct Signal {
    BpfObject object;
    std::vector<UniqueFd> links;  ///< empty while detached
  };

  Programs(const ProbeSettings& wanted, Handler events_handler, SysctlHandler writes_handler);

  /// Attaches all programs of a loaded signal, or tells why not in its state.
  void attach(const std::string& name);
  [[nodiscard]] bool attached(const std::string& name) const;
  /// Loads and attaches the signal, or tells why not in its state.
  void watch_nfs_reads();
  void set_state(const std::string& name, Tier tier, const std::string& why);
  /// Reads the known file in each way and judges what was seen; in self_test.cpp.
  void self_test();
  [[nodiscard]] int latencies_fd() const { return map_fd("latency", "latencies"); }
  /// A map of a loaded signal; -1 when there is none.
  [[nodiscard]] int map_fd(const std::string& signal, std::string_view map) const;
  /// libbpf's callback for one record.
  static int on_record(void* context, void* data, size_t size);
  static int on_sysctl_record(void* context, void* data, size_t size);
  bool dispatch();
  /// The file is counted also when the daemon itself reads it.
  Status write_settings(const FileId& selftest_file);
  void take_dropped();

  ProbeSettings settings;
  Handler handler;
  SysctlHandler sysctl_handler;
  std::optional<ReaderMaps> maps;
  std::unique_ptr<ring_buffer, FreeRing> ring;
  std::map<std::string, Signal> loaded;
  std::map<std::string, SignalState> states;
  uint64_t direct_end_io = 0;  ///< address of iomap_dio_bio_end_io
  std::string direct_unknown;  ///< why there is none: direct reads are not seen
  bool counts_neighbours = false;
  bool nfs_wanted = false;         ///< whether NFS is mounted
  uint64_t dropped = 0;            ///< events that found the ring buffer full, told so far
  uint64_t lost_writes = 0;        ///< told so far
  unsigned turn_left = 0;          ///< records until dispatch() leaves the rest; 0: all of them
  std::optional<Event> own_event;  ///< of the self-test: the last one about this process

 private:
  void find_direct_end_io();
  void create_maps();
  void load_signals();
  void watch_sysctl_writes();
  void test_reads(SelfTestFile& file);
  void test_mappings(SelfTestFile& file);
  [[nodiscard]] uint64_t take_bytes_seen();
};

}  // namespace tuneshift
