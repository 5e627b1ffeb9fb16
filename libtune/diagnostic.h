// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <vector>

namespace tuneshift {

/// A mistake in a file that a person wrote.
struct Diagnostic {
  std::string file;
  int line = 0;  ///< from 1; 0 when the whole file is meant
  int column = 0;
  std::string message;
};

using Diagnostics = std::vector<Diagnostic>;

/// Like a compiler's: "profiles/x.yaml:3:6: unknown knob 'vm.swapiness', did you mean ...?"
std::string to_string(const Diagnostic& diagnostic);

}  // namespace tuneshift
