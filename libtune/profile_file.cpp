// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/profile_file.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "libtune/suggest.h"
#include "libtune/value_parser.h"

namespace tuneshift {

namespace {

constexpr std::array kFamilies = {Family::sysctl, Family::block, Family::bdi, Family::thp};
constexpr size_t kLongestSummary = 200;
constexpr size_t kLongestKnobName = 128;  // longer ones are not compared with the catalogue

bool is_lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

std::optional<Family> find_family(std::string_view section) {
  for (Family family : kFamilies) {
    if (section == to_string(family)) return family;
  }
  return std::nullopt;
}

class ProfileParser {
 public:
  ProfileParser(std::string name, const std::string& path, Diagnostics& mistakes)
      : name_(std::move(name)), mistakes_(path, mistakes) {
    file_.path = path;
  }

  ProfileFile parse(const std::string& text) {
    const auto root = parse_yaml(text, mistakes_);
    if (!root) return std::move(file_);
    if (root->kind == YamlNode::Kind::empty) {
      mistakes_.add("the file is empty");
    } else if (root->kind != YamlNode::Kind::map) {
      mistakes_.add(root->at, "a profile is a map of sections");
    } else {
      for (size_t i = 0; i < root->keys.size(); ++i) parse_key(root->keys[i], root->items[i]);
    }
    return std::move(file_);
  }

 private:
  void parse_key(const YamlNode& key, const YamlNode& value) {
    if (key.text == "summary") {
      parse_summary(key, value);
    } else if (key.text == "include") {
      parse_include(key, value);
    } else if (const auto family = find_family(key.text)) {
      parse_section(*family, key, value);
    } else {
      report_unknown_key(key, value);
    }
  }

  void report_unknown_key(const YamlNode& key, const YamlNode& value) {
    const bool section = value.kind == YamlNode::Kind::map;
    const std::string suggestion =
        nearest(key.text, {"summary", "include", "sysctl", "block", "bdi", "thp"});
    mistakes_.add(
        key.at, (section ? "unknown section " : "unknown key ") + quoted(key.text) +
                    (suggestion.empty() ? ": known are summary, include, sysctl, block, bdi and thp"
                                        : did_you_mean(suggestion)));
  }

  void parse_summary(const YamlNode& key, const YamlNode& value) {
    if (value.kind != YamlNode::Kind::scalar || value.text.empty() ||
        value.text.size() > kLongestSummary || value.text.find('\n') != std::string::npos) {
      mistakes_.add(key.at, "summary takes one line of at most " + std::to_string(kLongestSummary) +
                                " bytes");
      return;
    }
    file_.summary = value.text;
  }

  void parse_include(const YamlNode& key, const YamlNode& value) {
    if (value.kind == YamlNode::Kind::scalar) {
      add_include(value);
    } else if (value.kind == YamlNode::Kind::list) {
      for (const YamlNode& item : value.items) add_include(item);
    } else {
      mistakes_.add(key.at, "include takes the name of a profile, or a list of names");
    }
  }

  void add_include(const YamlNode& node) {
    const auto same = [&](const YamlNode& other) { return other.text == node.text; };
    if (node.kind != YamlNode::Kind::scalar) {
      mistakes_.add(node.at, "include takes the name of a profile, or a list of names");
    } else if (!is_profile_name(node.text)) {
      mistakes_.add(node.at, quoted(node.text) + ": " + kProfileNameRule);
    } else if (std::any_of(file_.includes.begin(), file_.includes.end(), same)) {
      mistakes_.add(node.at, "profile " + quoted(node.text) + " is included twice");
    } else {
      file_.includes.push_back(node);
    }
  }

  void parse_section(Family family, const YamlNode& key, const YamlNode& value) {
    if (value.kind == YamlNode::Kind::empty) return;  // every line of it is commented out
    if (value.kind != YamlNode::Kind::map) {
      mistakes_.add(key.at, "section " + quoted(key.text) + " takes a map of knobs");
      return;
    }
    for (size_t i = 0; i < value.keys.size(); ++i) {
      parse_knob(family, value.keys[i], value.items[i]);
    }
  }

  void parse_knob(Family family, const YamlNode& key, const YamlNode& value) {
    const KnobInfo* kind = find_kind(family, key.text);
    if (kind == nullptr) {
      report_unknown_knob(family, key);
      return;
    }
    auto spec = parse_value(*kind, key, value, mistakes_);
    if (!spec) return;
    file_.entries.push_back(
        {kind, std::move(*spec),
         name_ + ".yaml:" + std::to_string(key.at.line) + ":" + std::to_string(key.at.column)});
  }

  void report_unknown_knob(Family family, const YamlNode& key) {
    std::string message = "unknown knob " + quoted(key.text);
    for (Family other : kFamilies) {
      if (find_kind(other, key.text) == nullptr) continue;
      mistakes_.add(key.at, message + " in '" + to_string(family) + "': it belongs to '" +
                                to_string(other) + "'");
      return;
    }
    if (key.text.size() <= kLongestKnobName) {
      message += did_you_mean(suggest_kind(family, key.text));
    }
    mistakes_.add(key.at, std::move(message));
  }

  std::string name_;
  FileMistakes mistakes_;
  ProfileFile file_;
};

}  // namespace

bool is_profile_name(std::string_view name) {
  const auto allowed = [](char c) { return is_lower_or_digit(c) || c == '-' || c == '_'; };
  return !name.empty() && name.size() <= 64 && is_lower_or_digit(name.front()) &&
         std::all_of(name.begin(), name.end(), allowed);
}

ProfileFile parse_profile_file(const std::string& text, const std::string& name,
                               const std::string& path, Diagnostics& mistakes) {
  return ProfileParser(name, path, mistakes).parse(text);
}

}  // namespace tuneshift
