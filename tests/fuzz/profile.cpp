// SPDX-License-Identifier: LGPL-2.1-or-later
// A profile file of anybody's making: what is accepted is within its kind's rules, the rest is told
// with its place.
#include <algorithm>
#include <set>
#include <string>

#include "libtune/number.h"
#include "libtune/profile_file.h"
#include "tests/fuzz/check.h"
#include "tests/fuzz/messages.h"
#include "tests/fuzz/target.h"

using namespace tuneshift;
using namespace tuneshift::fuzz;

namespace {

constexpr const char* kName = "p";
constexpr const char* kPath = "etc/p.yaml";

bool is_in_range(const KnobInfo& kind, int64_t number) {
  return (!kind.minimum || number >= *kind.minimum) && (!kind.maximum || number <= *kind.maximum);
}

bool is_relative(const Amount& amount) {
  return amount.percent_of_memory.has_value() || amount.per_cpu.has_value();
}

void check_amount(const KnobInfo& kind, const Amount& amount) {
  if (amount.per_cpu) {
    check(*amount.per_cpu > 0 && *amount.per_cpu <= 65536, "so many a CPU is bounded", kind.name);
    return;
  }
  if (!amount.percent_of_memory) {
    check(is_in_range(kind, amount.number), "a bound is in its kind's range", kind.name);
    return;
  }
  check(kind.unit == "KiB" || kind.unit == "bytes", "only sizes take a share", kind.name);
  check(*amount.percent_of_memory > 0 && *amount.percent_of_memory <= 100,
        "a share is more than nothing and at most all", kind.name);
}

void check_exactly(const KnobInfo& kind, const std::string& text) {
  check(!text.empty() && text.size() <= 256 && is_readable(text), "a value is one short line",
        text);
  if (kind.type != ValueType::integer) return;
  const auto number = parse_integer(text);
  check(number && is_in_range(kind, *number), "a number is in its kind's range", text);
}

void check_bounds(const KnobInfo& kind, const Bounds& bounds) {
  const auto& [low, high] = bounds;
  check(kind.type == ValueType::integer, "only numbers have bounds", kind.name);
  check(low || high, "bounds have at least one", kind.name);
  if (low) check_amount(kind, *low);
  if (high) check_amount(kind, *high);
  if (!low || !high || is_relative(*low) || is_relative(*high)) return;
  check(low->number <= high->number, "at_least is not above at_most", kind.name);
}

void check_choices(const KnobInfo& kind, const std::vector<std::string>& choices) {
  check(kind.type == ValueType::choice, "only choices have a list", kind.name);
  check(!choices.empty() && choices.size() <= 16, "a list has 1 to 16 choices", kind.name);
  check(std::set<std::string>(choices.begin(), choices.end()).size() == choices.size(),
        "no choice is in a list twice", kind.name);
  for (const std::string& choice : choices) {
    check_exactly(kind, choice);
    check(choice.find_first_of(" \t[]") == std::string::npos, "a choice is one word", choice);
  }
}

void check_value(const KnobInfo& kind, const ValueSpec& value) {
  if (const auto* exactly = std::get_if<Exactly>(&value)) check_exactly(kind, exactly->text);
  if (const auto* bounds = std::get_if<Bounds>(&value)) check_bounds(kind, *bounds);
  if (const auto* first_of = std::get_if<FirstOf>(&value)) check_choices(kind, first_of->choices);
  if (const auto* share = std::get_if<Share>(&value)) {
    check(kind.type == ValueType::integer, "only numbers have amounts", kind.name);
    check_amount(kind, share->amount);
    if (share->at_least) check_amount(kind, *share->at_least);
    if (share->at_most) check_amount(kind, *share->at_most);
  }
  const std::string shown = to_string(value);
  check(!shown.empty() && is_readable(shown), "a value can be shown", shown);
}

void check_origin(const std::string& origin, const std::string& text) {
  int line = 0;
  int column = 0;
  const std::string format = std::string(kName) + ":%d:%d";
  check(std::sscanf(origin.c_str(), format.c_str(), &line, &column) == 2 &&
            is_place_in(text, line, column),
        "an entry's origin is a place in the file", origin);
}

void check_entry(const ProfileEntry& entry, const std::string& text) {
  const auto& kinds = catalogue();
  const bool known = std::any_of(kinds.begin(), kinds.end(),
                                 [&](const KnobInfo& kind) { return &kind == entry.kind; });
  check(known, "an entry has a kind of the catalogue", entry.origin);
  check_value(*entry.kind, entry.value);
  check_origin(entry.origin, text);
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  Diagnostics mistakes;
  const ProfileFile file = parse_profile_file(text, kName, kPath, mistakes);
  check_diagnostics(mistakes, kPath, text);
  check(file.path == kPath, "a file keeps its path", file.path);
  check(file.summary.size() <= 200 && file.summary.find('\n') == std::string::npos,
        "a summary is one short line", file.summary);
  for (const YamlNode& include : file.includes) {
    check(is_profile_name(include.text), "an include is a profile's name", include.text);
    check(is_place_in(text, include.at.line, include.at.column), "an include has a place",
          include.text);
  }
  for (const ProfileEntry& entry : file.entries) check_entry(entry, text);
  return 0;
}
