// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <vector>

#include "libtune/catalogue.h"
#include "libtune/kept_value.h"
#include "libtune/kernel_fs.h"
#include "libtune/tuned_profile.h"

namespace tuneshift {

/// The knob of ours that a setting of tuned's is about.
struct TunedTarget {
  const KnobInfo* kind = nullptr;
  std::string value;       ///< in the knob's unit and without quotes; else as in KeptValues
  std::string devices;     ///< of device knobs: patterns as in matches_devices()
  bool by_plugin = false;  ///< of its disk plugin, which leaves some disks out
};

/// not_found, with the reason, for a setting that is no knob of ours or applies here in no way
/// that is known. One that tuned computes has an empty value.
Result<TunedTarget> find_tuned_target(const TunedSetting& setting);

/// What tuned keeps in force on this machine with this profile.
KeptValues tuned_values(const KernelFs& kernel, const TunedProfile& profile);

/// What tuned sets anew after each profile (tuned-main.conf, reapply_sysctl): the settings of
/// sysctl.d, by dotted name. `paths` are directories with *.conf and single files, the later ones
/// override.
KeptValues read_sysctl_settings(const std::vector<std::string>& directories,
                                const std::string& last_file);

/// The profile as YAML of ours: values with their origin, then what was not taken over.
struct ImportedProfile {
  std::string yaml;
  size_t taken = 0;
  size_t left = 0;
};
ImportedProfile import_tuned(const TunedProfile& profile);

}  // namespace tuneshift
