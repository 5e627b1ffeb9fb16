// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace tuneshift {

/// Knob → who wrote it, for people: "sysctl (pid 812)".
using Writers = std::map<std::string, std::string>;

/// When to look at a knob that somebody is about to write. The write is told before it has its
/// effect, so each is looked at a little later, and once more for a writer that was held up: 20 ms
/// and 500 ms after the last write, at the latest 200 ms after the first of many.
class ForeignWrites {
 public:
  void on_write(const std::string& knob, const std::string& writer, uint64_t now_ns);

  /// The knobs whose time has come.
  Writers take_due(uint64_t now_ns);

  /// Who wrote what lately: until the second look.
  [[nodiscard]] Writers writers() const;

  /// When the next one's time comes; empty when none waits.
  [[nodiscard]] std::optional<uint64_t> next_ns() const;

 private:
  struct Waiting {
    std::string writer;
    uint64_t first_ns = 0;
    uint64_t last_ns = 0;
    bool looked = false;

    [[nodiscard]] uint64_t due_ns() const;
  };

  std::map<std::string, Waiting> waiting_;
};

}  // namespace tuneshift
