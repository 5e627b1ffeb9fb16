// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "client/json.h"
#include "client/top/sample.h"

namespace tuneshift::top {

/// What happened between two samples, as `top --json` prints it (tuneshiftctl(1) lists the keys).
/// A rate that two samples cannot give (a device that has just appeared) is missing.
Json build_model(const Sample& before, const Sample& now);

}  // namespace tuneshift::top
