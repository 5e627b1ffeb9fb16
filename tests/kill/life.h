// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <vector>

#include "libtune/applier.h"
#include "libtune/kernel_fs.h"
#include "tests/kill/knob_set.h"

namespace tuneshift::test {

/// What the process that is killed or lied to does.
enum class Life {
  whole,       ///< apply A, A again, switch to B, restore
  restart,     ///< an earlier process died with A in force: restore, switch to B, restore
  compaction,  ///< apply A with a journal that is due for compaction, then restore
};
const char* to_string(Life life);

/// Where a journal is kept, and what runs there.
class Stage {
 public:
  Stage(KernelFs& kernel, const KnobSet& set, std::string directory);
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;
  ~Stage();

  /// Leaves behind what comes before `life`: no journal, a full one, or a dead process's knobs.
  void prepare(Life life);

  /// The life itself, for a process of its own. 0, or 3 when the journal cannot be opened. Between
  /// its parts it calls getppid(2), which nothing else here does.
  int live(Life life);

  /// `tuneshiftd --restore` without faults. What is left in the journal, one a line.
  std::vector<std::string> restore();

  [[nodiscard]] std::string journal_path() const { return directory_ + "/journal"; }

  /// What the processes since prepare() did, one change a line.
  [[nodiscard]] std::string story() const;

 private:
  void tell(const char* part, const Receipt& receipt);
  void converge(Applier& applier, const Desired& desired);

  KernelFs& kernel_;
  const KnobSet& set_;
  std::string directory_;
  char* story_ = nullptr;  ///< shared with the processes: telling it takes them no system call
};

}  // namespace tuneshift::test
