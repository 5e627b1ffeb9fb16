// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "libtune/kernel_fs.h"
#include "libtune/result.h"

namespace tuneshift {

/// One setting of a tuned profile, its includes merged in and its variables expanded.
struct TunedSetting {
  std::string unit;     ///< the section: "sysctl", "disk-nvme"
  std::string plugin;   ///< its plugin: "disk"
  std::string devices;  ///< of the section: "*", "sd*"
  std::string key;
  std::string value;
  std::string file;      ///< of which profile it came
  std::string unusable;  ///< why it applies here in no way that is known; empty when it does
};

/// A tuned profile, or several that are active together.
struct TunedProfile {
  std::string name;
  std::string summary;
  std::vector<TunedSetting> settings;
  std::vector<std::string> problems;  ///< what could not be followed, a sentence each
};

/// Where tuned has its profiles, in folders of its own: there itself (2.20), and in `profiles`
/// below (CFG_DEF_PROFILE_DIRS in tuned/consts.py of 2.25). A profile in a later one
/// hides that of an earlier one.
std::vector<std::string> tuned_directories(const std::string& library = "/usr/lib/tuned",
                                           const std::string& config = "/etc/tuned");

/// Reads NAME/tuned.conf in the last of the directories that has it, and what it includes, as
/// tuned 2.20 merges them; several names, separated by blanks, as tuned does with several. The
/// conditions on CPU and kernel are those of `kernel`'s machine. Built-in functions (${f:…}) are
/// not evaluated: what needs one is unusable. not_found for an unknown profile, with a suggestion;
/// permission for a file that others than root may change; at most 64 files of 256 KiB.
Result<TunedProfile> read_tuned_profile(const KernelFs& kernel,
                                        const std::vector<std::string>& directories,
                                        const std::string& name);

/// The names of all profiles in the directories.
std::vector<std::string> list_tuned_profiles(const std::vector<std::string>& directories);

/// Whether tuned's `devices=` takes a device: patterns separated by blanks and commas, those with a
/// '!' exclude.
bool matches_devices(std::string_view patterns, const std::string& device);

}  // namespace tuneshift
