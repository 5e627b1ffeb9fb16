// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tests/kill/kernel_state.h"
#include "tests/kill/life.h"
#include "tests/kill/trace.h"

namespace tuneshift::test {

/// What goes wrong at one point of a life.
enum class Fault {
  kill,         ///< SIGKILL when the call has returned
  kill_inside,  ///< SIGKILL while the kernel keeps the writer of a knob waiting
  enospc,       ///< the call fails, once
  eio,
  eintr,
  late_eio,      ///< a write to a knob that had its effect fails
  full_journal,  ///< from here on nothing can be added to the journal
  foreign,       ///< somebody else changes knobs when the call has returned
};
const char* to_string(Fault fault);

/// One line of the report.
struct Row {
  std::string set;
  Life life = Life::whole;
  Fault fault = Fault::kill;
  int points = 0;
  int differing = 0;  ///< values that were not what they had to be
  double seconds = 0;
};

/// Which points of all: `first`, `first + stride`, …
struct Slice {
  size_t first = 0;
  size_t stride = 1;
};

/// Tries faults at the points of lives on real knobs, and puts back what a defect leaves behind.
class FaultRunner {
 public:
  FaultRunner(KernelFs& kernel, const KnobSet& set, const std::string& directory);

  /// The trace's own promises; what is wrong, one a line.
  std::vector<std::string> check_trace();

  /// One sentence on what was tried.
  std::string summary();

  Row run(Life life, Fault fault, Slice slice);

  /// The calls of this life that a fault may hit.
  size_t points(Life life, Fault fault);

 private:
  const Trace& trace(Life life);
  /// The places in the trace that `fault` is tried at.
  std::vector<size_t> places(Life life, Fault fault);
  /// Tries again where the machine was changed under the run.
  std::optional<int> retry(const std::function<std::optional<int>()>& attempt);
  int try_at(Life life, Fault fault, size_t place);
  /// Nothing where every knob of the group is in its gap.
  std::optional<int> try_foreign(Life life, size_t place, size_t group);
  void kill_at(TracedChild& child, size_t place);
  void kill_inside(TracedChild& child, size_t place);
  std::vector<std::string> fail_at(TracedChild& child, Fault fault, size_t place);
  std::vector<std::string> full_from(TracedChild& child, size_t place);
  std::vector<const KnobPlan*> group_at(Life life, size_t place, size_t group);
  int settle(const std::string& what, std::vector<std::string> wrong,
             const std::vector<std::string>& ignored);

  KernelFs& kernel_;
  const KnobSet& set_;
  Stage stage_;
  KernelState state_;
  std::map<Life, Trace> traces_;
  std::map<std::string, int> foreign_writes_;
};

}  // namespace tuneshift::test
