// SPDX-License-Identifier: LGPL-2.1-or-later
// Mutations that keep a text near to a profile or a configuration.
#include <string>

#include "libtune/catalogue.h"
#include "tests/fuzz/words.h"

using namespace tuneshift;
using namespace tuneshift::fuzz;

namespace {

std::string some_value(Random& random) {
  const std::string first = pick(random, values());
  const std::string second = pick(random, values());
  switch (pick(random, 6)) {
    case 0:
      return "{at_least: " + first + "}";
    case 1:
      return "{at_most: " + first + "}";
    case 2:
      return "{at_least: " + first + ", at_most: " + second + "}";
    case 3:
      return "[" + first + ", " + second + "]";
    case 4:
      return first + "%";
    default:
      return first;
  }
}

/// A knob of some kind below its section, or alone.
std::string some_knob(Random& random) {
  const KnobInfo& kind = catalogue()[pick(random, catalogue().size())];
  const std::string line = "  " + std::string(kind.name) + ": " + some_value(random) + "\n";
  return pick(random, 2) == 0 ? line : std::string(to_string(kind.family)) + ":\n" + line;
}

std::string with_word(std::string text, Random& random) {
  const size_t at = pick(random, text.size() + 1);
  const size_t removed = pick(random, 2) == 0 ? 0 : pick(random, 16);
  return text.replace(at, removed, pick(random, words()));
}

std::string with_lines(const std::string& text, Random& random) {
  std::vector<std::string> lines = split_lines(text);
  if (pick(random, 2) == 0) {
    shuffle_lines(lines, random);
  } else {
    const size_t at = pick(random, lines.size() + 1);
    lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(at), some_knob(random));
  }
  std::string joined;
  for (const std::string& line : lines) joined += line;
  return joined;
}

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
  Random random(seed);
  const std::string text(reinterpret_cast<const char*>(data), size);
  switch (pick(random, 4)) {
    case 0:
      return store(with_word(text, random), data, most);
    case 1:
      return store(with_lines(text, random), data, most);
    default:
      return store(mutate(text, most), data, most);
  }
}
