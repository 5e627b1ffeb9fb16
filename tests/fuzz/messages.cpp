// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/fuzz/messages.h"

#include <algorithm>

#include "tests/fuzz/check.h"

namespace tuneshift::fuzz {

namespace {

constexpr size_t kLongestMessage = 1024;

}  // namespace

bool is_place_in(const std::string& text, int line, int column) {
  if (line < 1 || column < 1) return false;
  size_t begin = 0;
  for (int passed = 1; passed < line; ++passed) {
    const size_t end = text.find('\n', begin);
    if (end == std::string::npos) return false;
    begin = end + 1;
  }
  const size_t end = std::min(text.find('\n', begin), text.size());
  return static_cast<size_t>(column) <= end - begin + 1;
}

void check_diagnostics(const Diagnostics& diagnostics, const std::string& file,
                       const std::string& text) {
  for (const Diagnostic& diagnostic : diagnostics) {
    const std::string shown = to_string(diagnostic);
    check(diagnostic.file == file, "a diagnostic names its file", shown);
    check(!diagnostic.message.empty() && diagnostic.message.size() <= kLongestMessage,
          "a message has 1 to 1024 bytes", shown);
    check(is_readable(shown), "a diagnostic is one line of plain text", shown);
    const bool whole_file = diagnostic.line == 0 && diagnostic.column == 0;
    check(whole_file || is_place_in(text, diagnostic.line, diagnostic.column),
          "a diagnostic is about a place in the file", shown);
  }
}

}  // namespace tuneshift::fuzz
