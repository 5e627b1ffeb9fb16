// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <map>
#include <string>
#include <vector>

#include "libtune/kernel_fs.h"
#include "tests/kill/knob_set.h"

namespace tuneshift::test {

/// Path → text of kernel files; "?" for one that cannot be read.
using Texts = std::map<std::string, std::string>;

/// Every file that a set's run must leave as it was.
class KernelState {
 public:
  /// Reads all of them: what they show now is what they have to show at the end.
  KernelState(KernelFs& kernel, const KnobSet& set);

  /// What differs now, "path: before -> now"; `ignored` are paths that may, or folders ("…/").
  [[nodiscard]] std::vector<std::string> differences(const std::vector<std::string>& ignored) const;

  /// Writes until nothing differs; what still does.
  std::vector<std::string> put_back();

 private:
  [[nodiscard]] std::string shown(const std::string& path) const;
  void write(const std::string& path, const std::string& text);
  KernelFs& kernel_;
  std::vector<std::string> order_;  ///< knobs first, those that move others before those
  Texts before_;
};

}  // namespace tuneshift::test
