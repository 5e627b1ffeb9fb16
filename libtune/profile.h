// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "libtune/catalogue.h"
#include "libtune/diagnostic.h"
#include "libtune/match.h"
#include "libtune/value.h"

namespace tuneshift {

/// One line of a profile.
struct ProfileEntry {
  const KnobInfo* kind = nullptr;
  ValueSpec value;     ///< meaningless in a line that drops
  std::string origin;  ///< "throughput.yaml:12:5": where it was written
  std::string unit;    ///< for knobs of a unit: which
  bool drop = false;   ///< what earlier lines ask of this kind is not asked
  std::string why;     ///< the author's reason, may be empty
  std::string source;  ///< where the value comes from, may be empty
  /// All must hold where the line applies; none: it always does.
  std::vector<std::shared_ptr<const Match>> matches;
};

/// A profile with its includes and drop-ins already merged in. Of the lines for one knob the last
/// whose conditions hold counts.
struct Profile {
  std::string name;
  std::string summary;
  std::vector<ProfileEntry> entries;
  std::vector<std::string> modules;  ///< kernel modules to load, sorted
};

using Profiles = std::map<std::string, Profile>;

/// Reads every NAME.yaml in the given directories, the later ones overriding the earlier ones by
/// file name ("/usr/lib/tuneshift/profiles", "/etc/tuneshift/profiles"), and for each the drop-ins
/// NAME.yaml.d/*.yaml of all directories in the order of their file names, again the later
/// directory overriding by file name. A missing directory is empty. A directory or file that others
/// than its owner may write, or owned by neither root nor the caller, is a mistake. All mistakes of
/// all files are added to `mistakes`; with any, the result must not be used. Reads at most 256
/// files of at most 256 KiB.
Profiles read_profiles(const std::vector<std::string>& directories, Diagnostics& mistakes);

}  // namespace tuneshift
