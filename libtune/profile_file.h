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
  std::vector<std::string> modules;
};

enum class FileKind {
  profile,
  drop_in,  ///< changes a profile: has neither a summary nor includes
};

/// [a-z0-9][a-z0-9_-]{0,63}
bool is_profile_name(std::string_view name);

/// What may be in a profile's name, for messages.
inline constexpr const char* kProfileNameRule =
    "a profile's name is 1 to 64 of a-z, 0-9, '-' and '_', a letter or digit first";

/// Whether the kernel could have a module of this name: [A-Za-z0-9_-]{1,55} (MODULE_NAME_LEN).
bool is_module_name(std::string_view name);

/// Parses the text of the file `name` ("throughput.yaml", for the lines' origin); `path` is used
/// in the diagnostics.
ProfileFile parse_profile_file(const std::string& text, const std::string& name,
                               const std::string& path, Diagnostics& mistakes,
                               FileKind kind = FileKind::profile);

}  // namespace tuneshift
