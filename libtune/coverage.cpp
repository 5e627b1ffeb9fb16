// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/coverage.h"

#include <algorithm>

namespace tuneshift {

namespace {

// What daemon/prefetch/mapping_engine.cpp reads the last byte of, and what a fault maps around that
// (fault_around_bytes, mm/memory.c), twice. It goes by addresses: before the byte or behind it.
constexpr uint64_t piece_bytes = uint64_t{4} << 20;
constexpr uint64_t touched_bytes = uint64_t{128} << 10;

constexpr size_t least_parts = 1024;
constexpr uint64_t part_bytes = uint64_t{16} << 20;

}  // namespace

size_t Coverage::parts(uint64_t file_size) {
  return std::clamp<size_t>(file_size / part_bytes, least_parts, most_parts);
}

uint64_t Coverage::place(size_t part, uint64_t file_size) {
  const uint64_t whole = file_size / parts(file_size);
  const uint64_t place = whole * part + whole / 2;
  const uint64_t in_piece = place % piece_bytes;
  if (in_piece >= piece_bytes - touched_bytes) return place - touched_bytes;
  const bool touched = in_piece < touched_bytes;
  return touched && place + touched_bytes < file_size ? place + touched_bytes : place;
}

size_t Coverage::add(const Coverage& other) {
  const size_t before = seen_.count();
  seen_ |= other.seen_;
  return seen_.count() - before;
}

uint64_t Coverage::bytes(size_t count, uint64_t file_size) {
  if (count >= parts(file_size)) return file_size;
  return file_size / parts(file_size) * count;
}

std::vector<uint64_t> Coverage::words() const {
  std::vector<uint64_t> words(most_parts / 64);
  for (size_t part = 0; part < most_parts; ++part) {
    if (has(part)) words[part / 64] |= uint64_t{1} << part % 64;
  }
  return words;
}

Coverage Coverage::from_words(const std::vector<uint64_t>& words) {
  Coverage coverage;
  for (size_t part = 0; part < std::min(most_parts, words.size() * 64); ++part) {
    if ((words[part / 64] >> part % 64 & 1) != 0) coverage.set(part);
  }
  return coverage;
}

}  // namespace tuneshift
