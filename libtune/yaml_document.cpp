// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/yaml_document.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <exception>
#include <sstream>
#include <stdexcept>
#include <tuple>

#include "libtune/escape.h"
#include "libtune/utf8.h"

namespace tuneshift {

namespace {

constexpr size_t kMaxNodes = 4096;
constexpr size_t kMaxDepth = 8;
constexpr size_t kLongestReason = 200;

Position position_of(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return {mark.line + 1, mark.column + 1};
}

bool is_before(Position a, Position b) {
  return std::tie(a.line, a.column) < std::tie(b.line, b.column);
}

Position end_of(const std::string& text) {
  const auto lines = std::count(text.begin(), text.end(), '\n');
  const size_t last = text.rfind('\n') + 1;  // npos + 1 is 0
  return {static_cast<int>(lines) + 1, static_cast<int>(text.size() - last) + 1};
}

class Refusal : public std::runtime_error {
 public:
  Refusal(const YAML::Mark& mark, const std::string& message)
      : std::runtime_error(message), at_(position_of(mark)) {}
  [[nodiscard]] Position at() const { return at_; }

 private:
  Position at_;
};

// Builds the tree from events. yaml-cpp's own tree is not used: it resolves aliases, keeps
// duplicate keys, and its parser calls itself once a level, which the throw in open() bounds.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(Position end, FileMistakes& mistakes) : end_(end), mistakes_(mistakes) {}

  [[nodiscard]] YamlNode take_root() { return std::move(root_); }

  /// Where an error is: at the end of the text yaml-cpp 0.7 names its start, or a place behind it.
  [[nodiscard]] Position place(const YAML::Mark& mark) const {
    const Position at = position_of(mark);
    if (is_before(at, last_)) return last_;
    return is_before(end_, at) ? end_ : at;
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (document_seen_) throw Refusal(mark, "only one document may be in a file");
    document_seen_ = true;
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    attach(make(YamlNode::Kind::empty, mark, "", anchor));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { refuse_anchor(mark); }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    YamlNode node = make(YamlNode::Kind::scalar, mark, tag, anchor);
    node.text = value;
    attach(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(make(YamlNode::Kind::list, mark, tag, anchor), mark);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(make(YamlNode::Kind::map, mark, tag, anchor), mark);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    YamlNode node;
    std::optional<YamlNode> key;  // waits for its value
  };

  [[noreturn]] static void refuse_anchor(const YAML::Mark& mark) {
    throw Refusal(mark, "anchors and aliases are not accepted");
  }

  YamlNode make(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag,
                YAML::anchor_t anchor) {
    if (anchor != 0) refuse_anchor(mark);
    // "?" and "!" are what yaml-cpp passes for plain and quoted text without a tag.
    if (!tag.empty() && tag != "?" && tag != "!") throw Refusal(mark, "tags are not accepted");
    if (++nodes_ > kMaxNodes) {
      throw Refusal(mark, "more than " + std::to_string(kMaxNodes) + " values");
    }
    YamlNode node;
    node.kind = kind;
    node.at = position_of(mark);
    last_ = node.at;
    return node;
  }

  void open(YamlNode node, const YAML::Mark& mark) {
    if (open_.size() == kMaxDepth) {
      throw Refusal(mark, "nested deeper than " + std::to_string(kMaxDepth) + " levels");
    }
    open_.push_back({std::move(node), std::nullopt});
  }

  void close() {
    YamlNode node = std::move(open_.back().node);
    open_.pop_back();
    attach(std::move(node));
  }

  void attach(YamlNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.kind == YamlNode::Kind::list) {
      parent.node.items.push_back(std::move(node));
    } else if (!parent.key) {
      parent.key = std::move(node);
    } else {
      add_pair(parent.node, std::move(*parent.key), std::move(node));
      parent.key.reset();
    }
  }

  void add_pair(YamlNode& map, YamlNode key, YamlNode value) {
    if (key.kind != YamlNode::Kind::scalar) {
      mistakes_.add(key.at, "a key must be a word");
      return;
    }
    const auto same = [&](const YamlNode& other) { return other.text == key.text; };
    const auto first = std::find_if(map.keys.begin(), map.keys.end(), same);
    if (first != map.keys.end()) {
      mistakes_.add(key.at, "duplicate key " + quoted(key.text) + ", first on line " +
                                std::to_string(first->at.line));
      return;
    }
    map.keys.push_back(std::move(key));
    map.items.push_back(std::move(value));
  }

  Position end_;  // of the text
  FileMistakes& mistakes_;
  YamlNode root_;
  std::vector<Open> open_;
  Position last_;  // of the last value
  size_t nodes_ = 0;
  bool document_seen_ = false;
};

bool is_allowed(char32_t c, std::string_view rest) {
  if (c == U'\t' || c == U'\n') return true;
  if (c == U'\r') return rest.starts_with("\r\n");
  return c >= 0x20 && !(c >= 0x7f && c <= 0x9f);
}

// yaml-cpp guesses encodings, replaces invalid bytes, and takes \x04 for the end of the text.
bool check_characters(std::string_view text, FileMistakes& mistakes) {
  Position at{1, 1};
  while (!text.empty()) {
    const Utf8Character character = decode_utf8(text);
    if (character.length == 0) {
      mistakes.add(at, "not valid UTF-8");
      return false;
    }
    if (!is_allowed(character.code_point, text)) {
      mistakes.add(at, "control character " + quoted(text.substr(0, character.length)));
      return false;
    }
    if (character.code_point == U'\n') {
      at = {at.line + 1, 1};
    } else {
      at.column += static_cast<int>(character.length);
    }
    text.remove_prefix(character.length);
  }
  return true;
}

}  // namespace

std::optional<YamlNode> parse_yaml(const std::string& text, FileMistakes& mistakes) {
  if (!check_characters(text, mistakes)) return std::nullopt;
  // With a newline at the end, yaml-cpp 0.7 takes a quote that is never closed for closed there.
  const std::string trimmed = text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
  TreeBuilder builder(end_of(trimmed), mistakes);
  try {
    std::istringstream stream(trimmed);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Refusal& refusal) {
    mistakes.add(refusal.at(), refusal.what());
    return std::nullopt;
  } catch (const YAML::Exception& error) {
    mistakes.add(builder.place(error.mark), "not valid YAML: " + escape(error.msg, kLongestReason));
    return std::nullopt;
  } catch (const std::exception& error) {
    mistakes.add("not valid YAML: " + escape(error.what(), kLongestReason));
    return std::nullopt;
  }
  return builder.take_root();
}

}  // namespace tuneshift
