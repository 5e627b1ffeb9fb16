// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <vector>

#include "libtune/diagnostic.h"
#include "libtune/format_rule.h"
#include "libtune/process_rule.h"

namespace tuneshift {

/// What is known of file formats and programs, in the order in which it is asked.
struct Rules {
  FormatRules formats;
  ProcessRules processes;
};

/// Bounds of all files together, so that a request to the inspector has one as well.
inline constexpr size_t most_rules = 256;                           ///< of each kind
inline constexpr size_t most_format_rule_bytes = size_t{24} << 10;  ///< see size_of()

/// What one format rule counts for: its texts and magic, 8 bytes for each of them, and 24.
size_t size_of(const FormatRule& rule);

/// Reads every NAME.yaml in the given directories, the later ones overriding the earlier ones by
/// file name ("/usr/lib/tuneshift/rules", "/etc/tuneshift/rules"). The rules of a later directory
/// come before those of an earlier one, and within a directory they keep the order of file names
/// and of lines; of two rules with one name the first counts. A missing directory is empty; what
/// others may write is a mistake. All mistakes of all files are added to `mistakes`; with any, the
/// result must not be used. Reads at most 64 files of at most 64 KiB.
Rules read_rules(const std::vector<std::string>& directories, Diagnostics& mistakes);

}  // namespace tuneshift
