// SPDX-License-Identifier: LGPL-2.1-or-later
// Mutations that keep a text near to a knob's name.
#include <string>

#include "tests/fuzz/words.h"

using namespace tuneshift::fuzz;

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
  Random random(seed);
  std::string name(reinterpret_cast<const char*>(data), size);
  switch (pick(random, 4)) {
    case 0:
      name = pick(random, knob_names());
      break;
    case 1:
      name.replace(pick(random, name.size() + 1), pick(random, 16), pick(random, words()));
      break;
    default:
      name = mutate(name, most);
  }
  return store(name, data, most);
}
