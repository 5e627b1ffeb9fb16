// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/rules_file.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "libtune/number.h"
#include "libtune/profile_file.h"
#include "libtune/suggest.h"
#include "libtune/yaml_document.h"

namespace tuneshift {

namespace {

constexpr size_t kMostTexts = 32;  // of one list
constexpr size_t kLongestPattern = 128;
constexpr size_t kLongestMagic = 64;
constexpr uint64_t kLargestMinimum = 1ULL << 50;

using Words = std::vector<std::string_view>;

std::optional<unsigned> digit_value(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return std::nullopt;
}

/// "89 48 44 46": pairs of digits, with or without spaces between them.
std::optional<std::string> parse_hex(std::string_view text) {
  std::string bytes;
  while (!text.empty()) {
    if (text.front() == ' ') {
      text.remove_prefix(1);
      continue;
    }
    const auto high = digit_value(text[0]);
    const auto low = text.size() > 1 ? digit_value(text[1]) : std::nullopt;
    if (!high || !low) return std::nullopt;
    bytes += static_cast<char>(*high << 4 | *low);
    text.remove_prefix(2);
  }
  return bytes;
}

bool parse_flag(std::string_view text, bool& flag) {
  flag = text == "true";
  return flag || text == "false";
}

class RulesParser {
 public:
  RulesParser(const std::string& path, Diagnostics& mistakes) : mistakes_(path, mistakes) {}

  Rules parse(const std::string& text) {
    const auto root = parse_yaml(text, mistakes_);
    if (!root || root->kind == YamlNode::Kind::empty) return {};
    if (root->kind != YamlNode::Kind::map) {
      mistakes_.add(root->at, "a file of rules is a map with formats and processes");
      return {};
    }
    for (size_t i = 0; i < root->keys.size(); ++i) {
      const YamlNode& key = root->keys[i];
      if (key.text == "formats") {
        parse_list(key, root->items[i], rules_.formats, &RulesParser::parse_format);
      } else if (key.text == "processes") {
        parse_list(key, root->items[i], rules_.processes, &RulesParser::parse_process);
      } else {
        report_unknown_key(key, {"formats", "processes"});
      }
    }
    return std::move(rules_);
  }

 private:
  template <typename Rule>
  void parse_list(const YamlNode& key, const YamlNode& value, std::vector<Rule>& rules,
                  std::optional<Rule> (RulesParser::*parse_one)(const YamlNode&)) {
    if (value.kind == YamlNode::Kind::empty) return;  // every line of it is commented out
    if (value.kind != YamlNode::Kind::list || value.items.size() > most_rules) {
      mistakes_.add(key.at, quoted(key.text) + " takes a list of at most " +
                                std::to_string(most_rules) + " rules");
      return;
    }
    std::set<std::string> names;
    for (const YamlNode& item : value.items) {
      if (item.kind != YamlNode::Kind::map) {
        mistakes_.add(item.at, "a rule is a map with a name");
        continue;
      }
      auto rule = (this->*parse_one)(item);
      if (!rule) continue;
      if (names.insert(rule->name).second) {
        rules.push_back(std::move(*rule));
      } else {
        mistakes_.add(item.at, "rule " + quoted(rule->name) + " is there twice");
      }
    }
  }

  std::optional<FormatRule> parse_format(const YamlNode& node) {
    FormatRule rule;
    good_ = true;
    for (size_t i = 0; i < node.keys.size(); ++i) {
      const YamlNode& key = node.keys[i];
      const YamlNode& value = node.items[i];
      if (key.text == "name") {
        parse_name(key, value, rule.name);
      } else if (key.text == "role") {
        parse_word(key, value, rule.role, parse_format_role, {"model", "data"});
      } else if (key.text == "check") {
        parse_word(key, value, rule.check, parse_format_check, check_names());
      } else if (key.text == "magic") {
        parse_all_magic(key, value, rule.magic);
      } else if (key.text == "files") {
        parse_patterns(key, value, rule.files);
      } else if (key.text == "beside") {
        parse_patterns(key, value, rule.beside);
      } else if (key.text == "min_size") {
        parse_minimum(key, value, rule.least_bytes);
      } else {
        report_unknown_key(key, {"name", "role", "check", "magic", "files", "beside", "min_size"});
      }
    }
    require_name(node, rule.name);
    if (good_ && rule.magic.empty() && rule.files.empty() && rule.check == FormatCheck::none) {
      fail(node.at, "a format needs magic, files or a check");
    }
    return good_ ? std::optional(std::move(rule)) : std::nullopt;
  }

  std::optional<ProcessRule> parse_process(const YamlNode& node) {
    ProcessRule rule;
    good_ = true;
    bool has_role = false;
    for (size_t i = 0; i < node.keys.size(); ++i) {
      const YamlNode& key = node.keys[i];
      const YamlNode& value = node.items[i];
      if (key.text == "name") {
        parse_name(key, value, rule.name);
      } else if (key.text == "role") {
        has_role = true;
        parse_word(key, value, rule.role, parse_process_role, {"loader", "never"});
      } else if (key.text == "commands") {
        parse_patterns(key, value, rule.commands);
      } else if (key.text == "arguments") {
        parse_patterns(key, value, rule.arguments);
      } else if (key.text == "drop_after_load") {
        parse_word(key, value, rule.drop_after_load, parse_flag, {"true", "false"});
      } else {
        report_unknown_key(key, {"name", "role", "commands", "arguments", "drop_after_load"});
      }
    }
    require_name(node, rule.name);
    if (good_ && !has_role) fail(node.at, "a process rule needs a role: loader or never");
    if (good_ && rule.drop_after_load && rule.role != ProcessRole::loader) {
      fail(node.at, "drop_after_load is for role loader: the others load nothing");
    }
    if (good_ && rule.commands.empty() && rule.arguments.empty()) {
      fail(node.at, "a process rule needs commands or arguments");
    }
    return good_ ? std::optional(std::move(rule)) : std::nullopt;
  }

  void parse_name(const YamlNode& key, const YamlNode& value, std::string& name) {
    if (value.kind == YamlNode::Kind::scalar && is_profile_name(value.text)) {
      name = value.text;
    } else {
      fail(value.kind == YamlNode::Kind::scalar ? value.at : key.at,
           "a rule's name is 1 to 64 of a-z, 0-9, '-' and '_', a letter or digit first");
    }
  }

  void require_name(const YamlNode& node, const std::string& name) {
    if (good_ && name.empty()) fail(node.at, "a rule needs a name");
  }

  template <typename Word>
  void parse_word(const YamlNode& key, const YamlNode& value, Word& word,
                  bool (*read_word)(std::string_view, Word&), const Words& known) {
    if (value.kind == YamlNode::Kind::scalar && read_word(value.text, word)) return;
    std::string all;
    for (const std::string_view one : known) all += (all.empty() ? "" : ", ") + std::string(one);
    const std::string suggestion = nearest(value.text, known);
    fail(value.kind == YamlNode::Kind::scalar ? value.at : key.at,
         "unknown " + key.text + " " + quoted(value.text) +
             (suggestion.empty() ? ": known are " + all : did_you_mean(suggestion)));
  }

  void parse_patterns(const YamlNode& key, const YamlNode& value,
                      std::vector<std::string>& patterns) {
    for_each(key, value, [&](const YamlNode& item) {
      if (item.kind == YamlNode::Kind::scalar && !item.text.empty() &&
          item.text.size() <= kLongestPattern) {
        patterns.push_back(item.text);
      } else {
        fail(item.at, quoted(key.text) + " takes names of 1 to " + std::to_string(kLongestPattern) +
                          " bytes, with * and ?");
      }
    });
  }

  void parse_all_magic(const YamlNode& key, const YamlNode& value, std::vector<Magic>& all) {
    for_each(key, value, [&](const YamlNode& item) {
      if (item.kind == YamlNode::Kind::scalar) {
        add_magic(item.at, {0, item.text}, all);
      } else if (item.kind == YamlNode::Kind::map) {
        parse_magic(item, all);
      } else {
        fail(item.at, "magic is a text, or a map with text or hex, and at");
      }
    });
  }

  /// {at: 257, text: ustar}
  void parse_magic(const YamlNode& node, std::vector<Magic>& all) {
    Magic magic;
    unsigned contents = 0;
    for (size_t i = 0; i < node.keys.size(); ++i) {
      const YamlNode& key = node.keys[i];
      const std::string& text = node.items[i].text;
      if (key.text == "at") {
        const auto offset = parse_integer(text);
        if (!offset || *offset < 0 || *offset >= int64_t{header_bytes}) {
          fail(key.at, "'at' takes a place from 0 to " + std::to_string(header_bytes - 1));
        } else {
          magic.offset = static_cast<uint64_t>(*offset);
        }
      } else if (key.text == "text") {
        magic.bytes = text;
        ++contents;
      } else if (key.text == "hex") {
        auto bytes = parse_hex(text);
        if (!bytes) fail(key.at, "'hex' takes pairs of hexadecimal digits");
        magic.bytes = std::move(bytes).value_or("");
        ++contents;
      } else {
        report_unknown_key(key, {"at", "text", "hex"});
      }
    }
    if (!good_) return;
    if (contents != 1) return fail(node.at, "magic takes either a text or hex");
    add_magic(node.at, std::move(magic), all);
  }

  void add_magic(Position at, Magic magic, std::vector<Magic>& all) {
    if (magic.bytes.empty() || magic.bytes.size() > kLongestMagic ||
        magic.offset + magic.bytes.size() > header_bytes) {
      fail(at, "magic is 1 to " + std::to_string(kLongestMagic) + " bytes within the first " +
                   std::to_string(header_bytes));
    } else {
      all.push_back(std::move(magic));
    }
  }

  void parse_minimum(const YamlNode& key, const YamlNode& value, uint64_t& bytes) {
    const auto size = value.kind == YamlNode::Kind::scalar ? parse_size(value.text) : std::nullopt;
    if (!size || *size > kLargestMinimum) {
      fail(key.at, "'min_size' takes bytes, or a number with KiB, MiB, GiB or TiB, up to 1024TiB");
    } else {
      bytes = *size;
    }
  }

  /// A list of 1 to kMostTexts things; one alone needs no brackets.
  template <typename Each>
  void for_each(const YamlNode& key, const YamlNode& value, Each each) {
    if (value.kind == YamlNode::Kind::scalar || value.kind == YamlNode::Kind::map) {
      each(value);
    } else if (value.kind == YamlNode::Kind::list && !value.items.empty() &&
               value.items.size() <= kMostTexts) {
      for (const YamlNode& item : value.items) each(item);
    } else {
      fail(key.at, quoted(key.text) + " takes a list of 1 to " + std::to_string(kMostTexts));
    }
  }

  void report_unknown_key(const YamlNode& key, const Words& known) {
    std::string all;
    for (const std::string_view one : known) all += (all.empty() ? "" : ", ") + std::string(one);
    const std::string suggestion = nearest(key.text, known);
    fail(key.at, "unknown key " + quoted(key.text) +
                     (suggestion.empty() ? ": known are " + all : did_you_mean(suggestion)));
  }

  static Words check_names() {
    Words names;
    for (const FormatCheck check : format_checks()) names.emplace_back(to_string(check));
    return names;
  }

  void fail(Position at, std::string message) {
    good_ = false;
    mistakes_.add(at, std::move(message));
  }

  FileMistakes mistakes_;
  Rules rules_;
  bool good_ = true;  // the rule that is being parsed has no mistake so far
};

}  // namespace

Rules parse_rules_file(const std::string& text, const std::string& path, Diagnostics& mistakes) {
  const size_t first = mistakes.size();
  Rules rules = RulesParser(path, mistakes).parse(text);
  sort_by_position(mistakes, first);
  return rules;
}

}  // namespace tuneshift
