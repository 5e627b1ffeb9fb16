// SPDX-License-Identifier: LGPL-2.1-or-later
// Mutations of a journal that mend the checksums again: without them nothing gets past the first
// look. A first line that is none of a journal's, such as the machine's state, is mutated as it is.
#include <zlib.h>

#include <array>
#include <cstdio>
#include <string>

#include "libtune/journal_record.h"
#include "tests/fuzz/words.h"

using namespace tuneshift;
using namespace tuneshift::fuzz;

namespace {

constexpr size_t kSumLength = 9;  // with its blank
constexpr size_t kLongestPayload = 200;

bool has_sum(const std::string& line) {
  return line.size() > kSumLength && line[kSumLength - 1] == ' ' &&
         line.find_first_not_of("0123456789abcdef") == kSumLength - 1;
}

std::string with_sum(const std::string& payload) {
  const auto* bytes = reinterpret_cast<const Bytef*>(payload.data());
  std::array<char, kSumLength + 1> sum{};
  std::snprintf(sum.data(), sum.size(), "%08lx ",
                crc32(0, bytes, static_cast<uInt>(payload.size())));
  return sum.data() + payload + "\n";
}

std::string some_record(Random& random) {
  const std::string knob = pick(random, knob_names());
  const std::string value = pick(random, values());
  switch (pick(random, 6)) {
    case 0:
      return encode_record({"intent", knob, pick(random, values()), value});
    case 1:
      return encode_record({"guard", knob, value});
    case 2:
      return encode_record({"confirm", knob, value});
    case 3:
      return encode_record({"abort", knob});
    case 4:
      return encode_record({"restored", knob});
    default:
      return encode_record({"yielded", knob});
  }
}

/// A record about a knob that some line has already: most knobs have more than one.
std::string record_like(const std::string& line, Random& random) {
  const size_t begin = line.find('\t');
  if (begin == std::string::npos) return some_record(random);
  const size_t length = line.find_first_of("\t\n", begin + 1) - begin - 1;
  const std::string knob = line.substr(begin + 1, length);
  const std::string fresh = some_record(random);
  const size_t at = fresh.find('\t') + 1;
  const size_t old = fresh.find_first_of("\t\n", at) - at;
  std::string payload = fresh.substr(kSumLength, fresh.size() - kSumLength - 1);
  return with_sum(payload.replace(at - kSumLength, old, knob));
}

std::string with_word(std::string payload, Random& random) {
  const std::string& word = pick(random, pick(random, 2) == 0 ? knob_names() : values());
  const size_t tab = payload.find('\t', pick(random, payload.size() + 1));
  if (tab == std::string::npos) return payload + "\t" + word;
  const size_t end = payload.find('\t', tab + 1);
  return payload.replace(tab + 1, end == std::string::npos ? end : end - tab - 1, word);
}

std::string mutated_line(const std::string& line, Random& random) {
  const bool has_end = line.ends_with('\n');
  const std::string bare = line.substr(0, line.size() - (has_end ? 1 : 0));
  if (!has_sum(bare)) return mutate(bare, kLongestPayload) + "\n";
  const std::string payload = bare.substr(kSumLength);
  if (pick(random, 2) == 0) return with_sum(with_word(payload, random));
  return with_sum(mutate(payload, kLongestPayload));
}

void mutate_lines(std::vector<std::string>& lines, Random& random) {
  const size_t at = lines.empty() ? 0 : pick(random, lines.size());
  const size_t what = pick(random, 4);
  if (what == 0 || lines.empty()) {
    lines.push_back(some_record(random));
  } else if (what == 1) {
    const std::string like = record_like(lines[at], random);
    lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(at) + 1, like);
  } else if (what == 2) {
    shuffle_lines(lines, random);
  } else {
    lines[at] = mutated_line(lines[at], random);
  }
}

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
  Random random(seed);
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (pick(random, 16) == 0) return store(mutate(text, most), data, most);
  std::vector<std::string> lines = split_lines(text);
  for (size_t times = 1 + pick(random, 3); times > 0; --times) mutate_lines(lines, random);
  std::string joined;
  for (const std::string& line : lines) {
    if (joined.size() + line.size() > most) break;
    joined += line;
  }
  return store(joined, data, most);
}
