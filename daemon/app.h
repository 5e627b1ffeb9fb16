// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "daemon/options.h"
#include "libtune/applier.h"
#include "libtune/config.h"
#include "libtune/kernel_fs.h"
#include "libtune/profile.h"
#include "libtune/rules.h"

namespace tuneshift {

/// What an operator wrote, read and checked together.
struct Settings {
  Config config;
  Profiles profiles;
  Rules rules;
};

/// Reads configuration, profiles and rules; every mistake of all is in `mistakes`.
Settings read_settings(const Options& options, Diagnostics& mistakes);

/// Clocks for the applier.
Clocks system_clocks();

/// Runs the daemon until it is told to stop. Returns the exit status: 0, or 1 when a knob could not
/// be put back in time or the kernel refused something that nothing works without.
int run_daemon(const Options& options, KernelFs& kernel, const Settings& settings);

/// `tuneshiftd --restore`: puts back what a journal of an earlier daemon says was changed. Returns
/// 0 when nothing of ours is left in force, else 1.
int run_restore(const Options& options, KernelFs& kernel);

}  // namespace tuneshift
