// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <map>
#include <string>

#include "libtune/catalogue.h"

namespace tuneshift {

/// What tuned keeps in force: canonical knob name → the value as its profile has it. A text; ">N"
/// or "<N", which tuned sets only where it raises or lowers what stands; "a|b", of which it sets
/// the first that it can; empty where it cannot be known without running tuned.
using KeptValues = std::map<std::string, std::string>;

/// Whether a knob that shows `shown` shows what tuned makes of `value`.
bool is_kept(const KnobInfo& kind, const std::string& value, const std::string& shown);

/// Whether `value` is ">N" or "<N" with a number.
bool is_conditional(const std::string& value);

/// What a conditional value makes of a knob that shows `current`.
std::string condition_met(const std::string& value, const std::string& current);

}  // namespace tuneshift
