// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/format_rule.h"

#include <algorithm>
#include <utility>

#include "libtune/format_check.h"
#include "libtune/glob.h"

namespace tuneshift {

namespace {

constexpr size_t least_beginning = 10;  // shorter than the shortest header of any model format

bool is_like_one_of(const std::vector<std::string>& patterns, std::string_view name) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return matches_glob(pattern, name); });
}

bool begins_with_one_of(const std::vector<Magic>& magic, std::string_view beginning) {
  return std::any_of(magic.begin(), magic.end(), [&](const Magic& one) {
    return one.offset <= beginning.size() &&
           beginning.substr(one.offset, one.bytes.size()) == one.bytes;
  });
}

/// Compares one file with rules; asks for its neighbours once at most.
class Comparison {
 public:
  explicit Comparison(const FileLook& file) : file_(file) {}

  /// What the rule calls the file; absent when it is another format.
  std::optional<std::string> detail(const FormatRule& rule) {
    if (file_.size < rule.least_bytes) return std::nullopt;
    if (!rule.magic.empty() && !begins_with_one_of(rule.magic, file_.beginning)) {
      return std::nullopt;
    }
    if (!rule.files.empty() && !is_like_one_of(rule.files, file_.name)) return std::nullopt;
    std::string text = rule.name + (rule.magic.empty() ? ", known by its name" : "");
    if (rule.check != FormatCheck::none) {
      const auto structure = check_format(rule.check, file_.beginning, file_.size);
      if (!structure) return std::nullopt;
      text = *structure;
    }
    // Last: a look into the directory may ask a server.
    if (!rule.beside.empty() && !has_beside(rule.beside)) return std::nullopt;
    return text;
  }

 private:
  bool has_beside(const std::vector<std::string>& patterns) {
    if (!std::exchange(asked_, true) && file_.names_beside) beside_ = file_.names_beside();
    return std::any_of(beside_.begin(), beside_.end(), [&](const std::string& name) {
      return name != file_.name && is_like_one_of(patterns, name);
    });
  }

  const FileLook& file_;
  bool asked_ = false;
  std::vector<std::string> beside_;
};

}  // namespace

const char* to_string(FormatRole role) {
  return role == FormatRole::model ? "model" : "data";
}

bool parse_format_role(std::string_view text, FormatRole& role) {
  for (const FormatRole known : {FormatRole::model, FormatRole::data}) {
    if (text != to_string(known)) continue;
    role = known;
    return true;
  }
  return false;
}

const std::vector<FormatCheck>& format_checks() {
  static const std::vector<FormatCheck> all = {FormatCheck::none, FormatCheck::safetensors,
                                               FormatCheck::gguf, FormatCheck::torch_zip,
                                               FormatCheck::npz,  FormatCheck::pickle};
  return all;
}

const char* to_string(FormatCheck check) {
  switch (check) {
    case FormatCheck::none:
      return "none";
    case FormatCheck::safetensors:
      return "safetensors";
    case FormatCheck::gguf:
      return "gguf";
    case FormatCheck::torch_zip:
      return "torch_zip";
    case FormatCheck::npz:
      return "npz";
    case FormatCheck::pickle:
      break;
  }
  return "pickle";
}

bool parse_format_check(std::string_view text, FormatCheck& check) {
  for (const FormatCheck known : format_checks()) {
    if (text != to_string(known)) continue;
    check = known;
    return true;
  }
  return false;
}

Recognised recognise(const FormatRules& rules, const FileLook& file) {
  if (file.beginning.size() < least_beginning || file.size < file.beginning.size()) {
    return {"", FormatRole::model, "too short"};
  }
  Comparison comparison(file);
  for (const FormatRule& rule : rules) {
    if (auto detail = comparison.detail(rule)) return {rule.name, rule.role, std::move(*detail)};
  }
  return {"", FormatRole::model, "no known format"};
}

}  // namespace tuneshift
