// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "libtune/trace.h"

namespace tuneshift {

/// Replaces the names in a trace, so that it can be shown to others: each part of a path becomes
/// 12 hexadecimal digits of its SipHash-2-4 under a key that nobody keeps. Equal names stay equal;
/// an extension and the digits of a shard ("-00001-of-00004") stay readable, as the program's own
/// name does.
class NameHasher {
 public:
  using Key = std::array<uint64_t, 2>;

  explicit NameHasher(Key key) : key_(key) {}

  [[nodiscard]] std::string path(std::string_view path) const;
  /// The program, its options' names and the module behind "-m" stay.
  [[nodiscard]] std::string command_line(std::string_view command_line) const;
  void hide_names(TraceBody& body) const;

 private:
  [[nodiscard]] std::string word(std::string_view word) const;
  [[nodiscard]] std::string part(std::string_view part) const;
  Key key_;
};

/// SipHash-2-4 (Aumasson and Bernstein, 2012).
uint64_t siphash(const NameHasher::Key& key, std::string_view text);

}  // namespace tuneshift
