// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libtune/kernel_fs.h"
#include "libtune/result.h"

namespace tuneshift {

enum class Family { sysctl, block, bdi, thp };

/// "sysctl", "block", "bdi" or "thp": also the section's name in a profile.
const char* to_string(Family family);

enum class Scope { machine, device };

enum class ValueType {
  integer,  ///< one decimal number
  choice,   ///< one of the words that the file lists, the current one in brackets
  text,     ///< anything else, such as the three numbers of tcp_rmem
};

/// How a value is put back.
enum class Restore {
  write_back,   ///< write the original text
  wbt_default,  ///< wbt_lat_usec: -1 returns to the kernel's default state, a number does not
};

/// What is known about one kind of knob. One place: profiles, applier and documentation read it.
struct KnobInfo {
  Family family;
  std::string_view name;  ///< within its family: "vm.swappiness", "queue/read_ahead_kb", "enabled"
  Scope scope;
  ValueType type;
  std::string_view unit;  ///< "KiB", "percent", "µs", ""; memory shares are computed in KiB knobs
  std::optional<int64_t> minimum;  ///< refused below, at parse
  std::optional<int64_t> maximum;
  bool freezes_queue;  ///< written after the others, one by one
  bool per_load;       ///< may change when a load starts or ends
  Restore restore;
  /// Knobs of the same device (queue/…) or machine (sysctl) that a write to this one was seen to
  /// move; they are journalled before it and put back after it.
  std::vector<std::string_view> moves;
  /// The sysctl that a write to this one zeroes, and that zeroes this one ("vm.dirty_bytes" and
  /// "vm.dirty_ratio"): a 0 among their originals comes back by writing the other's, never itself.
  std::string_view excludes;
  /// The file of the same device with the largest number that the kernel takes, or empty.
  std::string_view ceiling;
  std::string_view source;  ///< kernel file or document the entry was taken from
};

/// All known kinds of knob.
const std::vector<KnobInfo>& catalogue();

/// The kind called `name` in `family`, or nullptr.
const KnobInfo* find_kind(Family family, std::string_view name);

/// The nearest known name in `family` within edit distance 3, or empty.
std::string suggest_kind(Family family, std::string_view name);

/// One knob of this machine.
struct Knob {
  std::string name;  ///< canonical: "vm.swappiness", "block/vda/queue/nr_requests",
                     ///< "bdi/0:44/read_ahead_kb"
  std::string path;  ///< for KernelFs
  const KnobInfo* kind = nullptr;
};

/// The canonical name of a knob of this kind; `device` is the disk ("vda") or the bdi ("0:44") of
/// device knobs, and ignored for machine-wide ones.
std::string knob_name(const KnobInfo& kind, std::string_view device);

/// The canonical knob for a name or any alias of it ("bdi/254:0/read_ahead_kb" is
/// "block/vda/queue/read_ahead_kb"; "vm/swappiness" is "vm.swappiness"). The file need not exist.
/// not_found for anything outside the catalogue, also for names with "..", empty parts or bytes
/// that no kernel name has.
Result<Knob> resolve_knob(const KernelFs& kernel, std::string_view name);

}  // namespace tuneshift
