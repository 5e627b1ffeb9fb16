// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <vector>

#include "libtune/catalogue.h"
#include "libtune/desired.h"
#include "libtune/kernel_fs.h"

namespace tuneshift::test {

/// One real knob: what profile A and profile B make of it, and what somebody else does.
struct KnobPlan {
  Knob knob;
  std::string original;
  std::string a;        ///< empty: A leaves it alone
  std::string b;        ///< empty: B leaves it alone; where A does not, the switch puts it back
  std::string foreign;  ///< neither ours nor the original; empty where no such value exists
  std::vector<std::string> moves;  ///< paths that a write to it moves, its twin among them
};

/// Knobs that are changed and put back together, and what else must stay as it was meanwhile.
struct KnobSet {
  std::string title;
  std::vector<KnobPlan> plans;
  std::vector<std::string> folders;  ///< every readable file in them is compared

  [[nodiscard]] Desired profile_a() const;
  [[nodiscard]] Desired profile_b() const;
  /// The plan of this kernel file, or nullptr.
  [[nodiscard]] const KnobPlan* find(const std::string& path) const;
};

/// The machine's sysctls, its transparent huge pages and the read-ahead of one FUSE file system.
KnobSet machine_set(const KernelFs& kernel, const std::string& bdi);

/// The queue of one loop device.
KnobSet queue_set(const KernelFs& kernel, const std::string& loop);

/// A few cheap knobs, for what does not depend on which.
KnobSet few_set(const KernelFs& kernel);

}  // namespace tuneshift::test
