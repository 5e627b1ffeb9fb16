// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <sys/types.h>
#include <cstdint>
#include <string>

#include "libtune/kept_value.h"
#include "libtune/kernel_fs.h"
#include "libtune/result.h"

namespace tuneshift {

/// Where tuned has its files (tuned/consts.py).
struct TunedPaths {
  std::string library_directory = "/usr/lib/tuned";
  std::string config_directory = "/etc/tuned";
  std::string run_directory = "/run/tuned";
};

/// The process that tuned's pid file names, if that is alive and runs tuned; 0 else.
pid_t find_tuned(const KernelFs& kernel, const TunedPaths& paths);

/// Whether the pid file still names this process: tuned removes it after its rollback. Of one that
/// was killed systemd may have removed it.
bool is_pid_file_of(const TunedPaths& paths, pid_t pid);

/// Whether tuned rolls back as it ends: not with daemon = 0 or rollback = not_on_exit in
/// tuned-main.conf.
bool rolls_back(const TunedPaths& paths);

/// When the newest thread of a process began, in ns of CLOCK_BOOTTIME: tuned makes one for each
/// profile that it applies. 0 when the process has gone.
uint64_t newest_thread_ns(const KernelFs& kernel, pid_t pid);

/// What tuned's active_profile and post_loaded_profile name.
struct ActiveProfiles {
  std::string names;
  uint64_t written_ns = 0;  ///< of CLOCK_BOOTTIME; 0 when there is no such file
  bool has_post_loaded = false;
  bool is_half_written = false;  ///< `names` says nothing: one of the files was emptied just now
};
/// tuned empties each file before it writes its line (save_active_profile() in
/// tuned/utils/commands.py). Where no profile is post-loaded that file stays empty, so it counts as
/// half written only where `had_post_loaded` one.
ActiveProfiles read_active_profiles(const TunedPaths& paths, bool had_post_loaded);

/// What these profiles set on this machine, and what the settings of sysctl.d make of it. They lie
/// in the profile_dirs of tuned-main.conf, where it names none in tuned_directories().
Result<KeptValues> read_kept_values(const KernelFs& kernel, const TunedPaths& paths,
                                    const std::string& profiles);

}  // namespace tuneshift
