// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libtune/mistakes.h"

namespace tuneshift {

/// A value of a YAML document with its place. Text stays text: what it means is its reader's
/// business.
struct YamlNode {
  enum class Kind {
    empty,  ///< nothing, "~" or "null"
    scalar,
    list,
    map,
  };
  Kind kind = Kind::empty;
  Position at;
  std::string text;             ///< of a scalar
  std::vector<YamlNode> keys;   ///< of a map: distinct scalars, as many as items
  std::vector<YamlNode> items;  ///< of a list or a map
};

/// Parses one small YAML document that a person wrote. Anchors, aliases, tags, several documents,
/// more than 4096 nodes or 8 levels, control characters and invalid UTF-8 are refused; duplicate
/// keys are mistakes. Nothing when the text cannot be used at all. A text without a document is an
/// empty node.
std::optional<YamlNode> parse_yaml(const std::string& text, FileMistakes& mistakes);

}  // namespace tuneshift
