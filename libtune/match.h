// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libtune/machine.h"

namespace tuneshift {

/// The conditions of one `match:`. All that are given must hold; of a list any one is enough.
struct Match {
  std::vector<std::string> transport;       ///< DiskFacts::transport
  std::vector<std::string> model;           ///< DiskFacts::model, with * and ?
  std::vector<std::string> driver;          ///< DiskFacts::driver
  std::vector<std::string> file_system;     ///< "nfs" is nfs4 as well, "fuse" any fuse.*
  std::vector<std::string> cpu_vendor;      ///< Machine::cpu_vendor
  std::vector<std::string> virtualization;  ///< Machine::virtualization; "any": any but none
  std::optional<bool> rotational;
  std::optional<bool> is_virtual;  ///< of the disk
  std::optional<int64_t> least_memory_bytes;
  std::optional<int64_t> most_memory_bytes;

  bool operator==(const Match&) const = default;
};

/// What concerns the machine as a whole.
bool holds_for_machine(const Match& match, const Machine& machine);

/// What concerns one disk; a disk of which nothing is known fails every condition.
bool holds_for_disk(const Match& match, const Machine& machine, const std::string& disk);
bool asks_for_disk(const Match& match);

bool holds_for_file_system(const Match& match, const std::string& file_system);

/// For people: "file_system nfs, rotational true".
std::string to_string(const Match& match);

}  // namespace tuneshift
