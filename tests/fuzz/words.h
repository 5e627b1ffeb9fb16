// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace tuneshift::fuzz {

using Random = std::minstd_rand;

/// 0 to below - 1.
size_t pick(Random& random, size_t below);
const std::string& pick(Random& random, const std::vector<std::string>& words);

/// Names, ranges, families, units and devices out of the catalogue, with the words of YAML files:
/// what chance would not put together.
const std::vector<std::string>& words();

/// Canonical names of every kind of the catalogue, on several devices, and aliases of them.
const std::vector<std::string>& knob_names();

/// Values that some knob takes, or nearly.
const std::vector<std::string>& values();

/// libFuzzer's own mutation of a text, with at most `most` bytes.
std::string mutate(const std::string& text, size_t most);

/// Keeps the lines of a text, the last one with or without its end.
std::vector<std::string> split_lines(const std::string& text);

/// Duplicates, moves or removes a line.
void shuffle_lines(std::vector<std::string>& lines, Random& random);

/// Puts a text back into libFuzzer's buffer; its new size.
size_t store(const std::string& text, uint8_t* data, size_t most);

}  // namespace tuneshift::fuzz
