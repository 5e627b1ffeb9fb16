// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>

#include "libtune/catalogue.h"
#include "libtune/kernel_fs.h"

namespace tuneshift {

/// What tells the device behind a knob from every other one that had or gets its name: the inode of
/// its sysfs directory, which is made with the device and whose number the kernel gives to nothing
/// else until it boots (fs/kernfs/dir.c). The minors of mounts without a disk are used again by the
/// next mount, names of disks by the next disk. Not diskseq: a medium that is changed keeps the
/// queue and its settings. Of a knob that lives with another one (KnobInfo::lives_with), also what
/// that one shows: "4711 mq-deadline". Empty for machine-wide knobs; not_found when the device is
/// gone.
Result<std::string> device_identity(const KernelFs& kernel, const Knob& knob);

/// Whether the device of that identity is no more, or another has its name by now. False where that
/// cannot be found out, and for an empty identity.
bool is_device_gone(const KernelFs& kernel, const Knob& knob, const std::string& device);

}  // namespace tuneshift
