// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "libtune/mistakes.h"
#include "libtune/profile.h"
#include "libtune/yaml_document.h"

namespace tuneshift {

/// One profile file as written: its includes are only names yet.
struct ProfileFile {
  std::string path;  ///< for diagnostics
  std::string summary;
  std::vector<YamlNode> includes;  ///< scalars
  std::vector<ProfileEntry> entries;
};

/// [a-z0-9][a-z0-9_-]{0,63}
bool is_profile_name(std::string_view name);

/// What may be in a profile's name, for messages.
inline constexpr const char* kProfileNameRule =
    "a profile's name is 1 to 64 of a-z, 0-9, '-' and '_', a letter or digit first";

/// Parses the text of profile `name`; `path` is used in the diagnostics.
ProfileFile parse_profile_file(const std::string& text, const std::string& name,
                               const std::string& path, Diagnostics& mistakes);

}  // namespace tuneshift
