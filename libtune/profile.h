// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <map>
#include <string>
#include <vector>

#include "libtune/catalogue.h"
#include "libtune/diagnostic.h"
#include "libtune/value.h"

namespace tuneshift {

/// One line of a profile.
struct ProfileEntry {
  const KnobInfo* kind = nullptr;
  ValueSpec value;
  std::string origin;  ///< "throughput.yaml:12:5": where it was written
};

/// A profile with its includes already merged in; at most one entry a kind.
struct Profile {
  std::string name;
  std::string summary;
  std::vector<ProfileEntry> entries;
};

using Profiles = std::map<std::string, Profile>;

/// Reads every NAME.yaml in the given directories, the later ones overriding the earlier ones by
/// file name ("/usr/lib/tuneshift/profiles", "/etc/tuneshift/profiles"). A missing directory is
/// empty. A directory or file that others than its owner may write, or owned by neither root nor
/// the caller, is a mistake. All mistakes of all files are added to `mistakes`; with any, the
/// result must not be used. Reads at most 256 files of at most 256 KiB.
Profiles read_profiles(const std::vector<std::string>& directories, Diagnostics& mistakes);

}  // namespace tuneshift
