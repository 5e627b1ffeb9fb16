// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>

#include "libtune/catalogue.h"

namespace tuneshift {

/// Why the governor `current` must stay where somebody chose it, or nothing. The kernel frees a
/// governor's own settings with its last policy (kernel/sched/cpufreq_schedutil.c, sugov_exit();
/// drivers/cpufreq/cpufreq_governor.c, cpufreq_dbs_governor_exit()): put back, it would start with
/// its defaults. "performance" and "powersave" have none, and schedutil may go while its only one
/// is at its default. Nothing for every other knob.
std::string reason_to_keep(const KernelFs& kernel, const Knob& knob, const std::string& current);

}  // namespace tuneshift
