// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/match.h"

#include <fnmatch.h>

#include <algorithm>

namespace tuneshift {

namespace {

using Words = std::vector<std::string>;

bool is_one_of(const Words& words, const std::string& text) {
  return words.empty() || std::find(words.begin(), words.end(), text) != words.end();
}

bool is_like_one_of(const Words& patterns, const std::string& text) {
  return patterns.empty() ||
         std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
           return ::fnmatch(pattern.c_str(), text.c_str(), FNM_NOESCAPE) == 0;
         });
}

/// "nfs" covers nfs4 (the same client), "fuse" covers fuse.gcsfuse, fuseblk and virtiofs does not.
bool is_of_type(const std::string& type, const std::string& wanted) {
  if (type == wanted) return true;
  if (wanted == "nfs") return type == "nfs4";
  return wanted == "fuse" && (type.starts_with("fuse.") || type == "fuseblk");
}

void add(std::string& text, const std::string& name, const std::string& value) {
  text += (text.empty() ? "" : ", ") + name + " " + value;
}

void add(std::string& text, const std::string& name, const Words& words) {
  std::string any;
  for (const std::string& word : words) any += (any.empty() ? "" : " or ") + word;
  if (!any.empty()) add(text, name, any);
}

void add(std::string& text, const std::string& name, std::optional<bool> truth) {
  if (truth) add(text, name, std::string(*truth ? "true" : "false"));
}

}  // namespace

bool holds_for_machine(const Match& match, const Machine& machine) {
  if (match.least_memory_bytes && machine.memory_bytes < *match.least_memory_bytes) return false;
  if (match.most_memory_bytes && machine.memory_bytes > *match.most_memory_bytes) return false;
  if (!is_one_of(match.cpu_vendor, machine.cpu_vendor)) return false;
  const bool any = machine.virtualization != "none" && !match.virtualization.empty() &&
                   is_one_of(match.virtualization, "any");
  return any || is_one_of(match.virtualization, machine.virtualization);
}

bool asks_for_disk(const Match& match) {
  return !match.transport.empty() || !match.model.empty() || !match.driver.empty() ||
         match.rotational.has_value() || match.is_virtual.has_value();
}

bool holds_for_disk(const Match& match, const Machine& machine, const std::string& disk) {
  if (!asks_for_disk(match)) return true;
  const auto found = machine.disks.find(disk);
  if (found == machine.disks.end()) return false;
  const DiskFacts& facts = found->second;
  return is_one_of(match.transport, facts.transport) && is_like_one_of(match.model, facts.model) &&
         is_one_of(match.driver, facts.driver) &&
         match.rotational.value_or(facts.rotational) == facts.rotational &&
         match.is_virtual.value_or(facts.is_virtual) == facts.is_virtual;
}

bool holds_for_file_system(const Match& match, const std::string& file_system) {
  return match.file_system.empty() ||
         std::any_of(match.file_system.begin(), match.file_system.end(),
                     [&](const std::string& wanted) { return is_of_type(file_system, wanted); });
}

std::string to_string(const Match& match) {
  std::string text;
  add(text, "transport", match.transport);
  add(text, "model", match.model);
  add(text, "driver", match.driver);
  add(text, "rotational", match.rotational);
  add(text, "virtual", match.is_virtual);
  add(text, "file_system", match.file_system);
  add(text, "cpu_vendor", match.cpu_vendor);
  add(text, "virtualization", match.virtualization);
  if (match.least_memory_bytes) {
    add(text, "memory at least", std::to_string(*match.least_memory_bytes));
  }
  if (match.most_memory_bytes) {
    add(text, "memory at most", std::to_string(*match.most_memory_bytes));
  }
  return text;
}

}  // namespace tuneshift
