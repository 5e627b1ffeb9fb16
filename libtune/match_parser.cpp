// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/match_parser.h"

#include <algorithm>
#include <string>

#include "libtune/number.h"
#include "libtune/suggest.h"

namespace tuneshift {

namespace {

constexpr size_t kMostWords = 32;
constexpr size_t kLongestWord = 64;

const std::vector<std::string_view> kKeys = {"transport", "rotational", "model",
                                             "driver",    "virtual",    "file_system",
                                             "memory",    "cpu_vendor", "virtualization"};

class MatchParser {
 public:
  explicit MatchParser(FileMistakes& mistakes) : mistakes_(mistakes) {}

  std::optional<Match> parse(const YamlNode& key, const YamlNode& value) {
    if (value.kind != YamlNode::Kind::map || value.keys.empty()) {
      add(key, "match takes a map of conditions");
    } else {
      for (size_t i = 0; i < value.keys.size(); ++i) parse_key(value.keys[i], value.items[i]);
    }
    if (!good_) return std::nullopt;
    return std::move(match_);
  }

 private:
  void add(const YamlNode& node, std::string message) {
    mistakes_.add(node.at, std::move(message));
    good_ = false;
  }

  void parse_key(const YamlNode& key, const YamlNode& value) {
    const std::string& name = key.text;
    if (name == "transport") {
      match_.transport = parse_words(key, value);
    } else if (name == "model") {
      match_.model = parse_words(key, value);
    } else if (name == "driver") {
      match_.driver = parse_words(key, value);
    } else if (name == "file_system") {
      match_.file_system = parse_words(key, value);
    } else if (name == "cpu_vendor") {
      match_.cpu_vendor = parse_words(key, value);
    } else if (name == "virtualization") {
      match_.virtualization = parse_virtualization(key, value);
    } else if (name == "rotational") {
      match_.rotational = parse_truth(key, value);
    } else if (name == "virtual") {
      match_.is_virtual = parse_truth(key, value);
    } else if (name == "memory") {
      parse_memory(key, value);
    } else {
      add(key, "unknown condition " + quoted(name) + did_you_mean(nearest(name, kKeys)));
    }
  }

  std::vector<std::string> parse_words(const YamlNode& key, const YamlNode& value) {
    const std::vector<YamlNode> one = {value};
    const auto& nodes = value.kind == YamlNode::Kind::list ? value.items : one;
    if (nodes.empty() || nodes.size() > kMostWords) {
      add(key, quoted(key.text) + " takes a word, or a list of 1 to " + std::to_string(kMostWords));
      return {};
    }
    std::vector<std::string> words;
    for (const YamlNode& node : nodes) {
      const bool printable = std::all_of(node.text.begin(), node.text.end(),
                                         [](char c) { return c >= 0x20 && c < 0x7f; });
      if (node.kind == YamlNode::Kind::scalar && !node.text.empty() && printable &&
          node.text.size() <= kLongestWord) {
        words.push_back(node.text);
      } else {
        add(node, quoted(key.text) + " takes words of at most " + std::to_string(kLongestWord) +
                      " printable characters");
      }
    }
    return words;
  }

  // true and false stand for "any" and "none".
  std::vector<std::string> parse_virtualization(const YamlNode& key, const YamlNode& value) {
    std::vector<std::string> words = parse_words(key, value);
    for (std::string& word : words) {
      if (word == "true") word = "any";
      if (word == "false") word = "none";
    }
    return words;
  }

  std::optional<bool> parse_truth(const YamlNode& key, const YamlNode& value) {
    if (value.kind == YamlNode::Kind::scalar && (value.text == "true" || value.text == "false")) {
      return value.text == "true";
    }
    add(key, quoted(key.text) + " takes true or false");
    return std::nullopt;
  }

  void parse_memory(const YamlNode& key, const YamlNode& value) {
    if (value.kind != YamlNode::Kind::map || value.keys.empty()) {
      return add(key, "'memory' takes at_least, at_most or both");
    }
    for (size_t i = 0; i < value.keys.size(); ++i) {
      const YamlNode& bound = value.keys[i];
      // A list or a map has no text, which is no size either.
      const uint64_t bytes = parse_size(value.items[i].text).value_or(UINT64_MAX);
      if (bound.text != "at_least" && bound.text != "at_most") {
        add(bound, "unknown key " + quoted(bound.text) +
                       did_you_mean(nearest(bound.text, {"at_least", "at_most"})));
      } else if (bytes > INT64_MAX) {
        add(value.items[i],
            quoted(bound.text) + " takes a size: bytes, or a number with KiB, MiB, GiB or TiB");
      } else {
        auto& field =
            bound.text == "at_least" ? match_.least_memory_bytes : match_.most_memory_bytes;
        field = static_cast<int64_t>(bytes);
      }
    }
    const bool crossed = match_.least_memory_bytes && match_.most_memory_bytes &&
                         *match_.least_memory_bytes > *match_.most_memory_bytes;
    if (crossed) add(key, "'memory' has an at_least above its at_most");
  }

  FileMistakes& mistakes_;
  Match match_;
  bool good_ = true;
};

}  // namespace

std::optional<Match> parse_match(const YamlNode& key, const YamlNode& value,
                                 FileMistakes& mistakes) {
  return MatchParser(mistakes).parse(key, value);
}

}  // namespace tuneshift
