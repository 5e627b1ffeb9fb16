// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "libtune/result.h"

namespace tuneshift {

/// A number in the knob's own unit, a percentage of the machine's memory in that unit, or so many
/// for each CPU that is online.
struct Amount {
  int64_t number = 0;
  std::optional<double> percent_of_memory;  ///< 0 < p <= 100; overrides `number`
  std::optional<double> per_cpu;            ///< > 0; overrides `number`

  bool operator==(const Amount&) const = default;
};

/// Exactly this text.
struct Exactly {
  std::string text;
  bool operator==(const Exactly&) const = default;
};

/// Which way a value may go from the original.
enum class Direction { any, raise, lower };

/// An amount, moved into these bounds by as little as possible (the upper one wins); the original
/// where that would be the wrong direction.
struct Share {
  Amount amount;
  std::optional<Amount> at_least;
  std::optional<Amount> at_most;
  Direction only = Direction::any;
  bool operator==(const Share&) const = default;
};

/// The original value, moved into these bounds by as little as possible; the upper bound wins.
struct Bounds {
  std::optional<Amount> at_least;
  std::optional<Amount> at_most;
  bool operator==(const Bounds&) const = default;
};

/// The first that the kernel offers, for knobs that list what they accept ("[none] mq-deadline").
struct FirstOf {
  std::vector<std::string> choices;
  bool operator==(const FirstOf&) const = default;
};

/// What a profile asks of a knob; the applier turns it into text against the original value.
using ValueSpec = std::variant<Exactly, Share, Bounds, FirstOf>;

/// For people: "10", "at least 4096", "none, mq-deadline or kyber", "2/cpu, at most 96, only up".
std::string to_string(const ValueSpec& spec);

}  // namespace tuneshift
