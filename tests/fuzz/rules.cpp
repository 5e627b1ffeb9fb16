// SPDX-License-Identifier: LGPL-2.1-or-later
// A file of rules of anybody's making: what is accepted keeps to its bounds and can be used on any
// file, the rest is told with its place.
#include <algorithm>
#include <string>

#include "libtune/profile_file.h"
#include "libtune/rules_file.h"
#include "tests/fuzz/check.h"
#include "tests/fuzz/messages.h"
#include "tests/fuzz/target.h"

using namespace tuneshift;
using namespace tuneshift::fuzz;

namespace {

constexpr const char* kPath = "etc/rules.yaml";
constexpr size_t kMostTexts = 32;

void check_texts(const std::vector<std::string>& texts, const std::string& name) {
  check(texts.size() <= kMostTexts, "a list has at most 32 texts", name);
  for (const std::string& text : texts) {
    check(!text.empty() && text.size() <= 128, "a pattern has 1 to 128 bytes", name);
  }
}

void check_format(const FormatRule& rule) {
  check(is_profile_name(rule.name), "a format has a name", rule.name);
  check(!rule.magic.empty() || !rule.files.empty() || rule.check != FormatCheck::none,
        "a format says how it is known", rule.name);
  check(rule.magic.size() <= kMostTexts, "a list has at most 32 texts", rule.name);
  for (const Magic& magic : rule.magic) {
    check(!magic.bytes.empty() && magic.bytes.size() <= 64 &&
              magic.offset + magic.bytes.size() <= header_bytes,
          "magic lies within the header", rule.name);
  }
  check_texts(rule.files, rule.name);
  check_texts(rule.beside, rule.name);
  check(rule.least_bytes <= 1ULL << 50, "a minimum is bounded", rule.name);
}

void check_process(const ProcessRule& rule) {
  check(is_profile_name(rule.name), "a process rule has a name", rule.name);
  check(!rule.commands.empty() || !rule.arguments.empty(), "it says whom it names", rule.name);
  check_texts(rule.commands, rule.name);
  check_texts(rule.arguments, rule.name);
}

/// The text itself as a file, a command and a name: whatever is compared is somebody else's too.
void use(const Rules& rules, const std::string& text) {
  const std::string name = text.substr(0, 255);
  const auto beside = [&] { return std::vector<std::string>{name, "a"}; };
  const Recognised found = recognise(
      rules.formats, {std::string_view(text).substr(0, header_bytes), text.size(), name, beside});
  check(!found.detail.empty() && is_readable(found.detail), "what a file is can be shown",
        found.detail);
  const ProcessRule* rule = find_process_rule(rules.processes, text.substr(0, 15), name);
  check(rule == nullptr || !rule->name.empty(), "a process has a rule or none");
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  Diagnostics mistakes;
  const Rules rules = parse_rules_file(text, kPath, mistakes);
  check_diagnostics(mistakes, kPath, text);
  check(rules.formats.size() <= most_rules && rules.processes.size() <= most_rules,
        "there are at most 256 rules of a kind");
  for (const FormatRule& rule : rules.formats) check_format(rule);
  for (const ProcessRule& rule : rules.processes) check_process(rule);
  use(rules, text);
  return 0;
}
