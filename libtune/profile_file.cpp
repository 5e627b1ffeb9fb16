// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/profile_file.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "libtune/match_parser.h"
#include "libtune/suggest.h"
#include "libtune/value_parser.h"

namespace tuneshift {

namespace {

constexpr size_t kLongestSummary = 200;
constexpr size_t kLongestKnobName = 128;  // longer ones are not compared with the catalogue
constexpr size_t kMostRules = 64;
constexpr size_t kMostModules = 64;
constexpr size_t kLongestModule = 55;  // MODULE_NAME_LEN, less the end

using Matches = std::vector<std::shared_ptr<const Match>>;

bool is_lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

const YamlNode* find_key(const YamlNode& map, std::string_view name, const YamlNode*& key) {
  for (size_t i = 0; i < map.keys.size(); ++i) {
    if (map.keys[i].text != name) continue;
    key = &map.keys[i];
    return &map.items[i];
  }
  return nullptr;
}

class ProfileParser {
 public:
  ProfileParser(std::string name, const std::string& path, Diagnostics& mistakes, FileKind kind)
      : name_(std::move(name)), kind_(kind), mistakes_(path, mistakes) {
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
      parse_body(*root, Matches(), true);
    }
    return std::move(file_);
  }

 private:
  /// A file, or one of its rules. What it drops comes before what it asks for, and its rules last,
  /// in whatever order they are written.
  void parse_body(const YamlNode& body, Matches matches, bool whole_file) {
    const YamlNode* key = nullptr;
    if (const YamlNode* match = find_key(body, "match", key)) {
      auto parsed = parse_match(*key, *match, mistakes_);
      if (parsed) matches.push_back(std::make_shared<const Match>(std::move(*parsed)));
    }
    if (const YamlNode* drop = find_key(body, "drop", key)) parse_drop(*key, *drop, matches);
    for (size_t i = 0; i < body.keys.size(); ++i) {
      parse_key(body.keys[i], body.items[i], matches, whole_file);
    }
    if (!whole_file) return;
    if (const YamlNode* rules = find_key(body, "rules", key)) parse_rules(*key, *rules, matches);
  }

  void parse_key(const YamlNode& key, const YamlNode& value, const Matches& matches,
                 bool whole_file) {
    const std::string& name = key.text;
    if (name == "match" || name == "drop" || (name == "rules" && whole_file)) return;
    if (const auto family = parse_family(name)) {
      parse_section(*family, key, value, matches);
    } else if (!whole_file) {
      report_unknown_key(key, value, {"match", "drop"});
    } else if (name == "modules") {
      parse_modules(key, value);
    } else if (kind_ == FileKind::drop_in && (name == "summary" || name == "include")) {
      mistakes_.add(key.at, "a drop-in takes no " + name);
    } else if (name == "summary") {
      parse_summary(key, value);
    } else if (name == "include") {
      parse_include(key, value);
    } else {
      report_unknown_key(key, value, {"summary", "include", "match", "drop", "rules", "modules"});
    }
  }

  void report_unknown_key(const YamlNode& key, const YamlNode& value,
                          std::vector<std::string_view> known) {
    const bool section = value.kind == YamlNode::Kind::map;
    for (const Family family : families()) known.emplace_back(to_string(family));
    std::string message = (section ? "unknown section " : "unknown key ") + quoted(key.text);
    const std::string suggestion = nearest(key.text, known);
    if (!suggestion.empty()) {
      message += did_you_mean(suggestion);
    } else {
      message += ": known are ";
      for (size_t i = 0; i < known.size(); ++i) {
        if (i > 0) message += i + 1 == known.size() ? " and " : ", ";
        message += known[i];
      }
    }
    mistakes_.add(key.at, std::move(message));
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

  void parse_modules(const YamlNode& key, const YamlNode& value) {
    if (value.kind != YamlNode::Kind::list || value.items.size() > kMostModules) {
      mistakes_.add(key.at, "modules takes a list of at most " + std::to_string(kMostModules) +
                                " kernel modules");
      return;
    }
    for (const YamlNode& item : value.items) {
      if (item.kind == YamlNode::Kind::scalar && is_module_name(item.text)) {
        file_.modules.push_back(item.text);
      } else {
        mistakes_.add(item.at, quoted(item.text) +
                                   " is no name of a module: 1 to 55 of letters, digits, '_', '-'");
      }
    }
  }

  void parse_rules(const YamlNode& key, const YamlNode& value, const Matches& matches) {
    if (value.kind != YamlNode::Kind::list || value.items.size() > kMostRules) {
      mistakes_.add(key.at,
                    "rules takes a list of at most " + std::to_string(kMostRules) + " rules");
      return;
    }
    for (const YamlNode& rule : value.items) {
      const YamlNode* match_key = nullptr;
      if (rule.kind != YamlNode::Kind::map || find_key(rule, "match", match_key) == nullptr) {
        mistakes_.add(rule.at, "a rule is a map with a match and sections");
      } else {
        parse_body(rule, matches, false);
      }
    }
  }

  void parse_section(Family family, const YamlNode& key, const YamlNode& value,
                     const Matches& matches) {
    if (value.kind == YamlNode::Kind::empty) return;  // every line of it is commented out
    if (value.kind != YamlNode::Kind::map) {
      mistakes_.add(key.at, "section " + quoted(key.text) + " takes a map of " +
                                (family == Family::cgroup ? "units" : "knobs"));
      return;
    }
    for (size_t i = 0; i < value.keys.size(); ++i) {
      if (family == Family::cgroup) {
        parse_unit(value.keys[i], value.items[i], matches);
      } else {
        parse_knob(family, "", value.keys[i], value.items[i], matches);
      }
    }
  }

  void parse_unit(const YamlNode& unit, const YamlNode& value, const Matches& matches) {
    if (!check_unit(unit)) return;
    if (value.kind != YamlNode::Kind::map) {
      mistakes_.add(unit.at, "unit " + quoted(unit.text) + " takes a map of knobs");
      return;
    }
    for (size_t i = 0; i < value.keys.size(); ++i) {
      parse_knob(Family::cgroup, unit.text, value.keys[i], value.items[i], matches);
    }
  }

  bool check_unit(const YamlNode& unit) {
    if (is_unit_name(unit.text)) return true;
    mistakes_.add(unit.at, quoted(unit.text) +
                               " is no name of a unit: NAME.service, NAME.slice or NAME.scope");
    return false;
  }

  void parse_knob(Family family, const std::string& unit, const YamlNode& key,
                  const YamlNode& value, const Matches& matches) {
    const KnobInfo* kind = find_kind(family, key.text);
    if (kind == nullptr) {
      report_unknown_knob(family, key);
      return;
    }
    if (kind->use == Use::kept) {
      mistakes_.add(key.at, quoted(key.text) + " is kept as it is: no profile sets it");
      return;
    }
    auto parsed = parse_value(*kind, key, value, mistakes_);
    if (!parsed) return;
    ProfileEntry entry;
    entry.kind = kind;
    entry.value = std::move(parsed->value);
    entry.origin = origin_of(key);
    entry.unit = unit;
    entry.why = std::move(parsed->why);
    entry.source = std::move(parsed->source);
    entry.matches = matches;
    file_.entries.push_back(std::move(entry));
  }

  /// drop: {sysctl: [vm.swappiness], cgroup: {vllm.service: [cpu.weight]}}
  void parse_drop(const YamlNode& key, const YamlNode& value, const Matches& matches) {
    if (value.kind != YamlNode::Kind::map) {
      mistakes_.add(key.at, "drop takes a map of sections with lists of knobs");
      return;
    }
    for (size_t i = 0; i < value.keys.size(); ++i) {
      const YamlNode& section = value.keys[i];
      const YamlNode& knobs = value.items[i];
      const auto family = parse_family(section.text);
      if (!family) {
        report_unknown_key(section, knobs, {});
      } else if (*family == Family::cgroup && knobs.kind == YamlNode::Kind::map) {
        for (size_t unit = 0; unit < knobs.keys.size(); ++unit) {
          if (!check_unit(knobs.keys[unit])) continue;
          drop_list(*family, knobs.keys[unit].text, knobs.keys[unit], knobs.items[unit], matches);
        }
      } else {
        drop_list(*family, "", section, knobs, matches);
      }
    }
  }

  void drop_list(Family family, const std::string& unit, const YamlNode& key, const YamlNode& knobs,
                 const Matches& matches) {
    if (knobs.kind != YamlNode::Kind::list || (family == Family::cgroup && unit.empty())) {
      mistakes_.add(key.at, quoted(key.text) + (family == Family::cgroup && unit.empty()
                                                    ? " takes a map of units with lists of knobs"
                                                    : " takes a list of knobs"));
      return;
    }
    for (const YamlNode& item : knobs.items) {
      const KnobInfo* kind = find_kind(family, item.text);
      if (kind == nullptr) {
        report_unknown_knob(family, item);
        continue;
      }
      ProfileEntry entry;
      entry.kind = kind;
      entry.origin = origin_of(item);
      entry.unit = unit;
      entry.drop = true;
      entry.matches = matches;
      file_.entries.push_back(std::move(entry));
    }
  }

  [[nodiscard]] std::string origin_of(const YamlNode& node) const {
    return name_ + ":" + std::to_string(node.at.line) + ":" + std::to_string(node.at.column);
  }

  void report_unknown_knob(Family family, const YamlNode& key) {
    std::string message = "unknown knob " + quoted(key.text);
    if (const Advice* advice = find_advice(key.text)) {
      mistakes_.add(key.at, quoted(key.text) + " is not switched on a running machine: " +
                                std::string(advice->advice));
      return;
    }
    for (const Family other : families()) {
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
  FileKind kind_;
  FileMistakes mistakes_;
  ProfileFile file_;
};

}  // namespace

bool is_profile_name(std::string_view name) {
  const auto allowed = [](char c) { return is_lower_or_digit(c) || c == '-' || c == '_'; };
  return !name.empty() && name.size() <= 64 && is_lower_or_digit(name.front()) &&
         std::all_of(name.begin(), name.end(), allowed);
}

bool is_module_name(std::string_view name) {
  const auto allowed = [](char c) {
    return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= kLongestModule &&
         std::all_of(name.begin(), name.end(), allowed);
}

ProfileFile parse_profile_file(const std::string& text, const std::string& name,
                               const std::string& path, Diagnostics& mistakes, FileKind kind) {
  return ProfileParser(name, path, mistakes, kind).parse(text);
}

}  // namespace tuneshift
