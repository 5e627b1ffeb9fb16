// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/kill/knob_set.h"
#include "tests/kill/life.h"
#include "tests/kill/traced_child.h"

namespace tuneshift::test {

/// What a system call does to which file.
struct Access {
  enum class Kind { other, compare, write, journal };
  Kind kind = Kind::other;  ///< `compare` is the read of a knob's file that has its value
  std::string path;         ///< of the kernel file
  std::string text;         ///< what was written
  int part = 0;             ///< of the life: 0 before the first getppid(2)
  bool is_file_call = false;
  uint64_t number = 0;
};

/// "part 3: read of proc/sys/vm/swappiness", for a complaint.
std::string describe(const Access& access);

/// Every system call of one life without faults.
using Trace = std::vector<Access>;

/// Follows a child's calls: which file is behind a descriptor.
class Follower {
 public:
  explicit Follower(const TracedChild& child) : child_(child) {}
  Access follow(const SystemCall& call);

 private:
  struct Open {
    std::string path;
    bool is_read = false;
  };
  const TracedChild& child_;
  std::map<int, Open> files_;
  int part_ = 0;
};

Trace record(Stage& stage, Life life);

/// Whether a value that somebody else writes right after call `place` can be taken for ours by no
/// fault of ours: after the compare that is next to our write, or between the write to another knob
/// that moves this one and the first look at what it did.
bool is_in_gap(const Trace& trace, size_t place, const KnobPlan& plan, const KnobSet& set);

/// What is wrong with a trace of Life::whole, one sentence each: a write through the original on
/// the way from A to B, anything written for what is in force already, a journal record between a
/// compare and its write.
std::vector<std::string> misdeeds(const Trace& trace, const KnobSet& set);

/// The most calls between a compare of a knob and the write that may change it.
size_t widest_gap(const Trace& trace, const KnobSet& set);

}  // namespace tuneshift::test
