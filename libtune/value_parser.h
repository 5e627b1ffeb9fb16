// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <optional>

#include "libtune/catalogue.h"
#include "libtune/mistakes.h"
#include "libtune/value.h"
#include "libtune/yaml_document.h"

namespace tuneshift {

/// What a profile says of one knob: a word or number, a percentage of memory, `at_least` and
/// `at_most`, or a list of words of which the first that the kernel offers is taken. `key` is the
/// knob's name in the file. Nothing when there was a mistake.
std::optional<ValueSpec> parse_value(const KnobInfo& kind, const YamlNode& key,
                                     const YamlNode& value, FileMistakes& mistakes);

}  // namespace tuneshift
