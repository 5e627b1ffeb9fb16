// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/fuzz/words.h"

#include <algorithm>
#include <cstring>

#include "libtune/catalogue.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t most);

namespace tuneshift::fuzz {

namespace {

const std::vector<std::string>& devices() {
  static const std::vector<std::string> names = {
      "vda",   "vda1", "nvme0n1p1", "dm-0",    "nvme1n1", "0:44", "254:0",
      "254:1", "8:0",  "44",        "btrfs-1", "policy4", "cpu5"};
  return names;
}

std::vector<std::string> make_values() {
  std::vector<std::string> all = {"0",     "1",        "-1",    "60",      "128",         "4096",
                                  "75000", "none",     "kyber", "madvise", "mq-deadline", "",
                                  "20",    "[none] x", "never", "4 5 6",   "0.5%",        "always"};
  for (const KnobInfo& kind : catalogue()) {
    for (const auto& bound : {kind.minimum, kind.maximum}) {
      if (!bound) continue;
      all.push_back(std::to_string(*bound));
      if (*bound > INT64_MIN) all.push_back(std::to_string(*bound - 1));
      if (*bound < INT64_MAX) all.push_back(std::to_string(*bound + 1));
    }
  }
  return all;
}

std::vector<std::string> make_knob_names() {
  std::vector<std::string> all;
  for (const KnobInfo& kind : catalogue()) {
    if (kind.family == Family::sysctl) {
      all.push_back(knob_name(kind, {}));
      std::string slashed = all.back();
      std::replace(slashed.begin(), slashed.end(), '.', '/');
      all.push_back("/proc/sys/" + slashed);
      continue;
    }
    for (const std::string& device : devices()) {
      all.push_back(knob_name(kind, {device, "a.service"}));
    }
  }
  return all;
}

std::vector<std::string> make_words() {
  std::vector<std::string> all = {"summary: ",
                                  "include: ",
                                  "at_least: ",
                                  "at_most: ",
                                  "{at_least: 1, at_most: 2}",
                                  "- ",
                                  "? ",
                                  ": ",
                                  "#",
                                  "[",
                                  "]",
                                  "{",
                                  "}",
                                  "\"",
                                  "'",
                                  "|\n",
                                  ">-\n",
                                  "\n  ",
                                  "\r\n",
                                  "\t",
                                  "~",
                                  "null",
                                  "&a ",
                                  "*a",
                                  "!!str ",
                                  "---\n",
                                  "...\n",
                                  "%YAML 1.2",
                                  "<<: ",
                                  "\\x07",
                                  "\\u2028",
                                  "\xef\xbb\xbf",
                                  "\xc2\x85",
                                  "\xe2\x80\xa8",
                                  "mode: ",
                                  "observe",
                                  "auto",
                                  "manual",
                                  "paused",
                                  "profiles:\n",
                                  "loading: ",
                                  "serving: ",
                                  "detection:\n",
                                  "size_floor: ",
                                  "settle: ",
                                  "switching:\n",
                                  "dwell: ",
                                  "writes_per_hour: ",
                                  "formats:\n",
                                  "processes:\n",
                                  "- {name: a, ",
                                  "role: ",
                                  "loader",
                                  "never",
                                  "model",
                                  "data",
                                  "check: ",
                                  "torch_zip",
                                  "pickle",
                                  "magic: ",
                                  "{at: 257, text: ustar}",
                                  "{hex: 89 48}",
                                  "files: [",
                                  "beside: [",
                                  "commands: [",
                                  "arguments: [",
                                  "min_size: ",
                                  "1TiB",
                                  "KiB",
                                  "100ms",
                                  "10m",
                                  "24h",
                                  "0s",
                                  "9223372036854775807",
                                  "../",
                                  "/proc/sys/",
                                  "/sys/",
                                  "sys/class/",
                                  "transparent_hugepage/",
                                  "18446744073709551616"};
  for (const KnobInfo& kind : catalogue()) {
    all.emplace_back(kind.name);
    all.emplace_back(std::string(to_string(kind.family)) + ":\n");
    if (!kind.ceiling.empty()) all.emplace_back(kind.ceiling);
  }
  for (const auto& more : {devices(), values()}) all.insert(all.end(), more.begin(), more.end());
  return all;
}

}  // namespace

size_t pick(Random& random, size_t below) {
  return random() % below;
}

const std::string& pick(Random& random, const std::vector<std::string>& words) {
  return words[pick(random, words.size())];
}

const std::vector<std::string>& words() {
  static const std::vector<std::string> all = make_words();
  return all;
}

const std::vector<std::string>& knob_names() {
  static const std::vector<std::string> all = make_knob_names();
  return all;
}

const std::vector<std::string>& values() {
  static const std::vector<std::string> all = make_values();
  return all;
}

std::string mutate(const std::string& text, size_t most) {
  std::string buffer = text.substr(0, most);
  const size_t size = buffer.size();
  buffer.resize(std::max<size_t>(most, 1));
  buffer.resize(LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(buffer.data()), size, buffer.size()));
  return buffer;
}

std::vector<std::string> split_lines(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    const size_t length = end == std::string::npos ? text.size() - begin : end + 1 - begin;
    lines.push_back(text.substr(begin, length));
    begin += length;
  }
  return lines;
}

void shuffle_lines(std::vector<std::string>& lines, Random& random) {
  if (lines.empty()) return;
  const size_t from = pick(random, lines.size());
  const std::string line = lines[from];
  const size_t what = pick(random, 3);
  if (what != 0) lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(from));
  if (what != 1) {
    const size_t to = pick(random, lines.size() + 1);
    lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(to), line);
  }
}

size_t store(const std::string& text, uint8_t* data, size_t most) {
  const size_t size = std::min(text.size(), most);
  std::memcpy(data, text.data(), size);
  return size;
}

}  // namespace tuneshift::fuzz
