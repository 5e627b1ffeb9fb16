// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "libtune/journal.h"

namespace tuneshift {

/// One line of the journal: "CHECKSUM KIND\tKNOB\tTEXT…\n", control bytes in texts as \xNN.
std::string encode_record(const std::vector<std::string>& fields);

/// The lines that open an entry; `device` is left out when it is empty.
std::string encode_intent(const std::string& knob, const std::string& original,
                          const std::string& value, const std::string& device);
std::string encode_guard(const std::string& knob, const std::string& original,
                         const std::string& device);

/// What the lines of a journal add up to. A last line without its end is dropped.
JournalContents fold_records(std::string_view text);

/// The fewest lines that add up to the entries and captures.
std::string encode_contents(const JournalContents& contents);

}  // namespace tuneshift
