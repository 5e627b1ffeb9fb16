// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/value_parser.h"

#include <algorithm>
#include <string>
#include <utility>

#include "libtune/kind_text.h"
#include "libtune/number.h"
#include "libtune/suggest.h"

namespace tuneshift {

namespace {

constexpr size_t kMostChoices = 16;
constexpr size_t kLongestWord = 64;
constexpr size_t kLongestText = 128;
constexpr size_t kLongestRemark = 200;
constexpr std::string_view kPerCpu = "/cpu";

std::string name_of(const KnobInfo& kind) {
  return "'" + std::string(kind.name) + "'";
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

  std::optional<ParsedValue> parse(const YamlNode& key, const YamlNode& value) {
    if (value.kind == YamlNode::Kind::map) return parse_map(value);
    auto plain = parse_plain(key, value);
    if (!plain) return std::nullopt;
    return ParsedValue{std::move(*plain), {}, {}};
  }

 private:
  /// The keys of a map that says more than a value.
  struct Parts {
    const YamlNode* value = nullptr;
    const YamlNode* value_key = nullptr;
    const YamlNode* only_key = nullptr;
    Bounds bounds;
    Direction only = Direction::any;
    std::string why;
    std::string source;
    bool good = true;
  };

  std::optional<ValueSpec> parse_plain(const YamlNode& key, const YamlNode& value) {
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
    return mistake(key, quoted("value") + " takes a word, a number or a list of words");
  }

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

  std::optional<Amount> parse_per_cpu(const YamlNode& node) {
    constexpr double kMost = 65536;
    const std::string_view text(node.text);
    const auto each = parse_fraction(text.substr(0, text.size() - kPerCpu.size()));
    if (!each || *each <= 0 || *each > kMost) {
      return mistake(node, quoted(text) +
                               " is not a number for each CPU: more than 0/cpu, at most "
                               "65536/cpu");
    }
    Amount amount;
    amount.per_cpu = each;
    return amount;
  }

  std::optional<Amount> parse_amount(const YamlNode& node) {
    if (node.text.ends_with('%')) return parse_percent(node);
    if (node.text.ends_with(kPerCpu)) return parse_per_cpu(node);
    const auto number = parse_integer(node.text);
    if (!number) {
      return mistake(node, name_of(kind_) + " takes a whole number, not " + quoted(node.text));
    }
    if ((kind_.minimum && *number < *kind_.minimum) ||
        (kind_.maximum && *number > *kind_.maximum)) {
      return mistake(node, std::to_string(*number) + " is out of range for " + name_of(kind_) +
                               ": " + range_text(kind_));
    }
    return Amount{*number, std::nullopt, std::nullopt};
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
    if (is_relative(*amount)) return Share{*amount, std::nullopt, std::nullopt, Direction::any};
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

  std::optional<ParsedValue> parse_map(const YamlNode& map) {
    Parts parts;
    for (size_t i = 0; i < map.keys.size(); ++i) parse_part(map.keys[i], map.items[i], parts);
    if (!parts.good) return std::nullopt;
    auto spec = combine(map, parts);
    if (!spec) return std::nullopt;
    return ParsedValue{std::move(*spec), std::move(parts.why), std::move(parts.source)};
  }

  void parse_part(const YamlNode& key, const YamlNode& value, Parts& parts) {
    if (key.text == "value") {
      parts.value = &value;
      parts.value_key = &key;
    } else if (key.text == "at_least" || key.text == "at_most") {
      auto& bound = key.text == "at_least" ? parts.bounds.at_least : parts.bounds.at_most;
      bound = parse_bound(key, value);
      parts.good = parts.good && bound;
    } else if (key.text == "only") {
      parts.only_key = &key;
      parts.only = parse_direction(value, parts);
    } else if (key.text == "why" || key.text == "source") {
      (key.text == "why" ? parts.why : parts.source) = parse_remark(key, value, parts);
    } else {
      mistakes_.add(key.at, "unknown key " + quoted(key.text) +
                                did_you_mean(nearest(key.text, {"value", "at_least", "at_most",
                                                                "only", "why", "source"})));
      parts.good = false;
    }
  }

  Direction parse_direction(const YamlNode& value, Parts& parts) {
    if (value.kind == YamlNode::Kind::scalar && value.text == "raise") return Direction::raise;
    if (value.kind == YamlNode::Kind::scalar && value.text == "lower") return Direction::lower;
    mistakes_.add(value.at, "'only' takes raise or lower");
    parts.good = false;
    return Direction::any;
  }

  std::string parse_remark(const YamlNode& key, const YamlNode& value, Parts& parts) {
    const bool printable = std::none_of(value.text.begin(), value.text.end(), [](char c) {
      return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    });
    if (value.kind == YamlNode::Kind::scalar && !value.text.empty() && printable &&
        value.text.size() <= kLongestRemark) {
      return value.text;
    }
    mistakes_.add(key.at, quoted(key.text) + " takes one line of at most " +
                              std::to_string(kLongestRemark) + " bytes");
    parts.good = false;
    return {};
  }

  std::optional<ValueSpec> combine(const YamlNode& map, const Parts& parts) {
    const bool bounded = parts.bounds.at_least || parts.bounds.at_most;
    const bool numeric = kind_.type == ValueType::integer;
    if ((bounded || parts.only_key != nullptr) && !numeric) {
      return mistake(map, name_of(kind_) + " is not a number: it takes no bounds");
    }
    if (!in_order(map, parts.bounds)) return std::nullopt;
    if (parts.value == nullptr) {
      if (parts.only_key != nullptr) {
        return mistake(*parts.only_key, "'only' goes with a value: at_least only raises by itself");
      }
      if (bounded) return parts.bounds;
      return mistake(map, name_of(kind_) + " needs a value, at_least or at_most");
    }
    if (!bounded && parts.only_key == nullptr) return parse_plain(*parts.value_key, *parts.value);
    const auto amount = parse_bound(*parts.value_key, *parts.value);
    if (!amount) return std::nullopt;
    return Share{*amount, parts.bounds.at_least, parts.bounds.at_most, parts.only};
  }

  static bool is_relative(const Amount& amount) {
    return amount.percent_of_memory.has_value() || amount.per_cpu.has_value();
  }

  // A number against a share can only be compared on the machine: there at_most wins.
  bool in_order(const YamlNode& map, const Bounds& bounds) {
    if (!bounds.at_least || !bounds.at_most) return true;
    const Amount& low = *bounds.at_least;
    const Amount& high = *bounds.at_most;
    const bool of_memory = low.percent_of_memory && high.percent_of_memory;
    const bool of_cpus = low.per_cpu && high.per_cpu;
    if (!of_memory && !of_cpus && (is_relative(low) || is_relative(high))) return true;
    if (of_memory ? *low.percent_of_memory <= *high.percent_of_memory
        : of_cpus ? *low.per_cpu <= *high.per_cpu
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

std::optional<ParsedValue> parse_value(const KnobInfo& kind, const YamlNode& key,
                                       const YamlNode& value, FileMistakes& mistakes) {
  return ValueParser(kind, mistakes).parse(key, value);
}

}  // namespace tuneshift
