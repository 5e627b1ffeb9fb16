// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libtune/catalogue.h"
#include "libtune/kernel_fs.h"
#include "libtune/value.h"

namespace tuneshift {

/// What a knob's file means, fit for comparing: the chosen word of "[none] mq-deadline", blanks and
/// tabs as single spaces, none at the ends.
std::string normal_text(const KnobInfo& kind, std::string_view raw);

/// The words of a choice knob's file, without brackets.
std::vector<std::string> offered_choices(std::string_view raw);

/// One whole decimal number.
std::optional<int64_t> parse_number(std::string_view text);

/// Whether the kernel may show `shown` after `written` was written: the same number, or one within
/// the steps to which kernels were seen to round: a page, at most 64 KiB, for a device's sizes; 4
/// for nr_requests; what Rounding says. Any other sysctl shows what was written.
bool may_be_rounded(const KnobInfo& kind, const std::string& written, const std::string& shown);

/// The normal text that the kernel shows.
Result<std::string> read_normal(const KernelFs& kernel, const Knob& knob);

/// The text to write for `spec`; see Applier::resolve_value.
Result<std::string> resolve_value(const KernelFs& kernel, const Knob& knob, const ValueSpec& spec,
                                  const std::string& original);

}  // namespace tuneshift
