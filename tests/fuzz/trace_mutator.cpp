// SPDX-License-Identifier: LGPL-2.1-or-later
// Mutations that keep a trace near to one: lines move, and words are taken from other lines.
#include <string>

#include "tests/fuzz/words.h"

using namespace tuneshift::fuzz;

namespace {

constexpr size_t kLongestLine = 300;

/// Some "key=value" or other word of a line.
std::string word_of(const std::string& line, Random& random) {
  const size_t begin = line.rfind(' ', pick(random, line.size() + 1));
  if (begin == std::string::npos) return line.substr(0, line.find_first_of(" \n"));
  return line.substr(begin + 1, line.find_first_of(" \n", begin + 1) - begin - 1);
}

std::string with_word(std::string line, const std::string& word, Random& random) {
  const size_t begin = line.rfind(' ', pick(random, line.size() + 1));
  const size_t at = begin == std::string::npos ? 0 : begin + 1;
  const size_t end = line.find_first_of(" \n", at);
  return line.replace(at, end == std::string::npos ? end : end - at, word);
}

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
  Random random(seed);
  const std::string text(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> lines = split_lines(text);
  if (lines.empty() || pick(random, 8) == 0) return store(mutate(text, most), data, most);
  for (size_t times = 1 + pick(random, 3); times > 0 && !lines.empty(); --times) {
    std::string& line = lines[pick(random, lines.size())];
    switch (pick(random, 3)) {
      case 0:
        line = with_word(line, word_of(lines[pick(random, lines.size())], random), random);
        break;
      case 1:
        line = mutate(line.substr(0, line.find('\n')), kLongestLine) + "\n";
        break;
      default:
        shuffle_lines(lines, random);
    }
  }
  std::string joined;
  for (const std::string& line : lines) {
    if (joined.size() + line.size() > most) break;
    joined += line;
  }
  return store(joined, data, most);
}
