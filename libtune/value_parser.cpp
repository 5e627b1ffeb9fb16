// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/value_parser.h"

#include <algorithm>
#include <string>
#include <utility>

#include "libtune/number.h"
#include "libtune/suggest.h"

namespace tuneshift {

namespace {

constexpr size_t kMostChoices = 16;
constexpr size_t kLongestWord = 64;
constexpr size_t kLongestText = 128;

std::string name_of(const KnobInfo& kind) {
  return "'" + std::string(kind.name) + "'";
}

std::string range_of(const KnobInfo& kind) {
  std::string range;
  if (kind.minimum && kind.maximum) {
    range = std::to_string(*kind.minimum) + " to " + std::to_string(*kind.maximum);
  } else if (kind.minimum) {
    range = "at least " + std::to_string(*kind.minimum);
  } else if (kind.maximum) {
    range = "at most " + std::to_string(*kind.maximum);
  }
  if (!kind.unit.empty()) range += " " + std::string(kind.unit);
  return range;
}

bool is_size(const KnobInfo& kind) {
  return kind.unit == "KiB" || kind.unit == "bytes";
}

bool is_word_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '+' || c == '.';
}

bool has_letter(const std::string& text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); });
}

class ValueParser {
 public:
  ValueParser(const KnobInfo& kind, FileMistakes& mistakes) : kind_(kind), mistakes_(mistakes) {}

  std::optional<ValueSpec> parse(const YamlNode& key, const YamlNode& value) {
    switch (value.kind) {
      case YamlNode::Kind::empty:
        return mistake(key, name_of(kind_) + " has no value");
      case YamlNode::Kind::scalar:
        return parse_scalar(value);
      case YamlNode::Kind::list:
        return parse_choices(value);
      case YamlNode::Kind::map:
        break;
    }
    return parse_bounds(value);
  }

 private:
  std::nullopt_t mistake(const YamlNode& node, std::string message) {
    mistakes_.add(node.at, std::move(message));
    return std::nullopt;
  }

  std::optional<Amount> parse_percent(const YamlNode& node) {
    const std::string_view text(node.text);
    const auto percent = parse_fraction(text.substr(0, text.size() - 1));
    if (!is_size(kind_)) {
      return mistake(node, name_of(kind_) + " is not a size: it takes no percentage of memory");
    }
    if (!percent || *percent <= 0 || *percent > 100) {
      return mistake(node,
                     quoted(text) + " is not a percentage of memory: more than 0%, at most 100%");
    }
    Amount amount;
    amount.percent_of_memory = percent;
    return amount;
  }

  std::optional<Amount> parse_amount(const YamlNode& node) {
    if (node.text.ends_with('%')) return parse_percent(node);
    const auto number = parse_integer(node.text);
    if (!number) {
      return mistake(node, name_of(kind_) + " takes a whole number, not " + quoted(node.text));
    }
    if ((kind_.minimum && *number < *kind_.minimum) ||
        (kind_.maximum && *number > *kind_.maximum)) {
      return mistake(node, std::to_string(*number) + " is out of range for " + name_of(kind_) +
                               ": " + range_of(kind_));
    }
    return Amount{*number, std::nullopt};
  }

  std::optional<ValueSpec> parse_scalar(const YamlNode& node) {
    switch (kind_.type) {
      case ValueType::integer:
        return parse_number(node);
      case ValueType::choice:
        return parse_exact_word(node);
      case ValueType::text:
        break;
    }
    return parse_words(node);
  }

  std::optional<ValueSpec> parse_number(const YamlNode& node) {
    const auto amount = parse_amount(node);
    if (!amount) return std::nullopt;
    if (amount->percent_of_memory) return Share{*amount};
    return Exactly{std::to_string(amount->number)};
  }

  std::optional<std::string> parse_word(const YamlNode& node) {
    const std::string& text = node.text;
    if (node.kind != YamlNode::Kind::scalar || text.empty() || text.size() > kLongestWord ||
        !std::all_of(text.begin(), text.end(), is_word_byte) || !has_letter(text)) {
      return mistake(node, name_of(kind_) + " takes words that the kernel offers, not " +
                               (node.kind == YamlNode::Kind::scalar ? quoted(text) : "this"));
    }
    return text;
  }

  std::optional<ValueSpec> parse_exact_word(const YamlNode& node) {
    const auto word = parse_word(node);
    if (!word) return std::nullopt;
    return Exactly{*word};
  }

  // Blanks between words are made one space each: YAML folds lines, kernels print tabs.
  std::optional<ValueSpec> parse_words(const YamlNode& node) {
    std::string text;
    for (const char c : node.text) {
      if (c == ' ' || c == '\t') {
        if (!text.empty() && text.back() != ' ') text += ' ';
      } else if (is_word_byte(c) && text.size() < kLongestText) {
        text += c;
      } else {
        return mistake(node, name_of(kind_) + " takes words or numbers, not " + quoted(node.text));
      }
    }
    if (text.ends_with(' ')) text.pop_back();
    if (text.empty()) return mistake(node, name_of(kind_) + " has no value");
    return Exactly{text};
  }

  std::optional<ValueSpec> parse_choices(const YamlNode& list) {
    if (kind_.type != ValueType::choice) {
      return mistake(list, name_of(kind_) + " takes one value, not a list of choices");
    }
    if (list.items.empty()) return mistake(list, name_of(kind_) + " has an empty list of choices");
    if (list.items.size() > kMostChoices) {
      return mistake(
          list, name_of(kind_) + " has more than " + std::to_string(kMostChoices) + " choices");
    }
    FirstOf first_of;
    bool good = true;
    for (const YamlNode& item : list.items) {
      const auto word = parse_word(item);
      good = good && word;
      if (!word) continue;
      if (std::find(first_of.choices.begin(), first_of.choices.end(), *word) !=
          first_of.choices.end()) {
        mistakes_.add(item.at, quoted(*word) + " is in the list twice");
        good = false;
      }
      first_of.choices.push_back(*word);
    }
    if (!good) return std::nullopt;
    return first_of;
  }

  std::optional<Amount> parse_bound(const YamlNode& key, const YamlNode& value) {
    if (value.kind == YamlNode::Kind::scalar) return parse_amount(value);
    return mistake(key, quoted(key.text) + " takes one number");
  }

  std::optional<ValueSpec> parse_bounds(const YamlNode& map) {
    if (kind_.type != ValueType::integer) {
      return mistake(map, name_of(kind_) + " is not a number: it takes no bounds");
    }
    if (map.keys.empty()) {
      return mistake(map, name_of(kind_) + " needs at_least, at_most or both");
    }
    Bounds bounds;
    bool good = true;
    for (size_t i = 0; i < map.keys.size(); ++i) {
      const YamlNode& key = map.keys[i];
      if (key.text == "at_least" || key.text == "at_most") {
        auto& bound = key.text == "at_least" ? bounds.at_least : bounds.at_most;
        bound = parse_bound(key, map.items[i]);
        good = good && bound;
      } else {
        mistakes_.add(key.at, "unknown key " + quoted(key.text) +
                                  did_you_mean(nearest(key.text, {"at_least", "at_most"})));
        good = false;
      }
    }
    if (!good || !in_order(map, bounds)) return std::nullopt;
    return bounds;
  }

  // A number against a percentage can only be compared on the machine: there at_most wins.
  bool in_order(const YamlNode& map, const Bounds& bounds) {
    if (!bounds.at_least || !bounds.at_most) return true;
    const Amount& low = *bounds.at_least;
    const Amount& high = *bounds.at_most;
    if (low.percent_of_memory.has_value() != high.percent_of_memory.has_value()) return true;
    if (low.percent_of_memory ? *low.percent_of_memory <= *high.percent_of_memory
                              : low.number <= high.number) {
      return true;
    }
    mistakes_.add(map.at, name_of(kind_) + " has an at_least above its at_most");
    return false;
  }

  const KnobInfo& kind_;
  FileMistakes& mistakes_;
};

}  // namespace

std::optional<ValueSpec> parse_value(const KnobInfo& kind, const YamlNode& key,
                                     const YamlNode& value, FileMistakes& mistakes) {
  return ValueParser(kind, mistakes).parse(key, value);
}

}  // namespace tuneshift
