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

enum class Family { sysctl, block, bdi, fuse, thp, cpu, pm_qos, cgroup, lru_gen, debugfs };

/// All families, in the order in which documentation and profiles show them.
const std::vector<Family>& families();

/// "sysctl", "block", …: also the section's name in a profile.
const char* to_string(Family family);
std::optional<Family> parse_family(std::string_view name);

/// What one knob of a kind belongs to. A line of a profile means a knob for each of these in scope.
enum class Target {
  machine,
  cpu_policy,       ///< a group of CPUs that share a clock: "policy0"
  unit,             ///< a unit of systemd
  unit_disk,        ///< a unit on one leaf disk
  disk,             ///< the leaf disks under a file system
  read_ahead,       ///< the block device a file system is on: its queue is the file system's bdi
  bdi,              ///< a file system without one
  fuse_connection,  ///< by the minor number of the mount's device
  bcache,           ///< bcache devices between a file system and its leaves
  device_mapper,    ///< dm devices between a file system and its leaves
};

/// Whether such a knob goes where a load's device goes; all others are machine-wide.
bool is_of_device(Target target);

enum class ValueType {
  integer,  ///< one decimal number
  choice,   ///< one word of several, the current one in brackets where the file lists them
  text,     ///< anything else, such as the three numbers of tcp_rmem
};

/// When a knob may be changed.
enum class Use {
  per_load,    ///< whenever a load or a server starts or ends
  on_request,  ///< for holds and SwitchProfile: it has effects beside the wanted one
  kept,        ///< never by a profile: put back where a write to another knob moved it
};

/// How a value is put back.
enum class Restore {
  write_back,   ///< write the original text
  wbt_default,  ///< wbt_lat_usec: -1 returns to the kernel's default state, a number does not
  let_go,       ///< a request that lasts as long as it is held: write the empty text to end it
};

/// How far the kernel may move a number that is written.
enum class Rounding {
  steps,         ///< a device's sizes to a page, at most 64 KiB; nr_requests to 4; else none
  power_of_two,  ///< to a power of two, a page at least
  human_size,    ///< it is shown as "4.0M", with one digit behind the point: no more can come back
  jiffies,       ///< of milliseconds to whole jiffies
  clamped,       ///< to what the hardware can do
};

/// What is known about one kind of knob. One place: profiles, applier and documentation read it.
struct KnobInfo {
  Family family = Family::sysctl;
  std::string_view name;  ///< within its family: "vm.swappiness", "queue/read_ahead_kb", "enabled"
  Target target = Target::machine;
  ValueType type = ValueType::integer;
  std::string_view unit;  ///< "KiB", "percent", "µs", ""; memory shares are computed in KiB knobs
  std::optional<int64_t> minimum;  ///< refused below, at parse
  std::optional<int64_t> maximum;
  bool freezes_queue = false;  ///< written after the others, one by one
  Use use = Use::per_load;
  Restore restore = Restore::write_back;
  Rounding rounding = Rounding::steps;
  /// Knobs of the same device (queue/…) or machine (sysctl) that a write to this one was seen to
  /// move; they are journalled before it and put back after it.
  std::vector<std::string_view> moves;
  /// The knob of the same device to one of whose values this one belongs: the numbers of an I/O
  /// scheduler are there while that scheduler is, and come back with the kernel's defaults.
  std::string_view lives_with;
  /// What the kernel gives it when that value is chosen; empty where it depends on nr_requests.
  std::string_view fresh;
  /// The sysctl that a write to this one zeroes, and that zeroes this one ("vm.dirty_bytes" and
  /// "vm.dirty_ratio"): a 0 among their originals comes back by writing the other's, never itself.
  std::string_view excludes;
  /// The file of the same device with the largest number that the kernel takes, or empty.
  std::string_view ceiling;
  /// The file beside it that lists the words a choice takes; empty: its own file does.
  std::string_view choices;
  /// Not lowered while more memory is dirty than the new limit allows: the writers would be stopped
  /// until the disk has caught up.
  bool waits_for_writeback = false;
  std::string_view property;  ///< of a unit: org.freedesktop.systemd1(5)
  std::string_view source;    ///< kernel file or document the entry was taken from
};

/// All known kinds of knob, by family.
const std::vector<KnobInfo>& catalogue();

/// The kind called `name` in `family`, or nullptr.
const KnobInfo* find_kind(Family family, std::string_view name);

/// The nearest known name in `family` within edit distance 3, or empty.
std::string suggest_kind(Family family, std::string_view name);

/// A setting that cannot or must not be switched on a running machine: told, never written.
struct Advice {
  std::string_view name;    ///< "nconnect", "vm.nr_hugepages"
  std::string_view advice;  ///< what to do instead, one sentence
  std::string_view source;
};

const std::vector<Advice>& all_advice();

/// The advice for a name that somebody takes for a knob, or nullptr.
const Advice* find_advice(std::string_view name);

/// One knob of this machine.
struct Knob {
  std::string name;  ///< canonical: "vm.swappiness", "block/vda/queue/nr_requests",
                     ///< "bdi/0:44/read_ahead_kb", "cgroup/vllm.service/cpu.weight"
  std::string path;  ///< for KernelFs; what is no file has one that the daemon answers for
  const KnobInfo* kind = nullptr;
};

/// The name of the knob that this one lives with, or empty.
std::string host_name(const Knob& knob);

/// What one knob of a kind belongs to, for its name; what the kind does not need is ignored.
struct KnobPlace {
  std::string device;  ///< disk ("vda"), bdi ("0:44"), FUSE connection ("44") or "policy0"
  std::string unit;    ///< unit of systemd
};

/// The canonical name of a knob of this kind.
std::string knob_name(const KnobInfo& kind, const KnobPlace& place);

/// The canonical knob for a name or any alias of it ("bdi/254:0/read_ahead_kb" is
/// "block/vda/queue/read_ahead_kb"; "vm/swappiness" is "vm.swappiness"; a file's own path is an
/// alias). The file need not exist. not_found for anything outside the catalogue, also for names
/// with "..", empty parts or bytes that no kernel name has.
Result<Knob> resolve_knob(const KernelFs& kernel, std::string_view name);

/// Whether systemd could have a unit of this name: "vllm.service", "system.slice".
bool is_unit_name(std::string_view name);

}  // namespace tuneshift
