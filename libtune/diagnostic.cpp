// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/diagnostic.h"

#include "libtune/escape.h"

namespace tuneshift {

std::string to_string(const Diagnostic& diagnostic) {
  std::string text = escape(diagnostic.file);
  if (diagnostic.line > 0) {
    text += ":" + std::to_string(diagnostic.line) + ":" + std::to_string(diagnostic.column);
  }
  return text + ": " + diagnostic.message;
}

}  // namespace tuneshift
