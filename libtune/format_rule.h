// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tuneshift {

/// What a file of a format is to us.
enum class FormatRole {
  model,  ///< a model's weights: who keeps what it reads of it loads a model
  data,   ///< anything else that large files are: never a load, also beside a GPU
};

/// "model" or "data".
const char* to_string(FormatRole role);
bool parse_format_role(std::string_view text, FormatRole& role);

/// What is compared beyond fixed bytes. Each is a function of format_check.cpp.
enum class FormatCheck { none, safetensors, gguf, torch_zip, npz, pickle };

/// "none", "safetensors", "gguf", "torch_zip", "npz" or "pickle".
const char* to_string(FormatCheck check);
bool parse_format_check(std::string_view text, FormatCheck& check);
const std::vector<FormatCheck>& format_checks();

/// Bytes that a file has at a place.
struct Magic {
  uint64_t offset = 0;
  std::string bytes;

  bool operator==(const Magic&) const = default;
};

/// One format. All that is given must hold; of a list any one is enough. Names are patterns of
/// matches_glob().
struct FormatRule {
  std::string name;  ///< for people: "gguf"
  FormatRole role = FormatRole::model;
  FormatCheck check = FormatCheck::none;
  std::vector<Magic> magic;
  std::vector<std::string> files;   ///< the file's own name, without its directory
  std::vector<std::string> beside;  ///< another name in its directory
  uint64_t least_bytes = 0;

  bool operator==(const FormatRule&) const = default;
};

using FormatRules = std::vector<FormatRule>;

/// How much of a file's beginning recognise() looks at.
inline constexpr size_t header_bytes = 4096;

/// What recognise() is told of a file.
struct FileLook {
  std::string_view beginning;
  uint64_t size = 0;
  std::string_view name;  ///< empty when it has none: deleted, or out of reach
  /// The other names in its directory; called at most once, and only when a rule asks for it.
  std::function<std::vector<std::string>()> names_beside;
};

struct Recognised {
  std::string format;  ///< the rule's name; empty: none knows it
  FormatRole role = FormatRole::model;
  std::string detail;  ///< one line: what it is, or why it is nothing known
};

/// Says what a file is: the first rule that knows it.
Recognised recognise(const FormatRules& rules, const FileLook& file);

}  // namespace tuneshift
